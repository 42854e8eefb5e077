"""Writes simulated exports, run by run, and gives the truth about them: rows and exact cost by dataset and month."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid5

import polars as pl

from sandbox.bill import columns
from sandbox.bill.catalogue import NAMESPACE
from sandbox.bill.charged import Account
from sandbox.bill.charges import Charges, Month
from sandbox.bill.commitments import date_after
from sandbox.bill.forms import EXACT_COST
from sandbox.bill.wire import EXACT
from sandbox.exports import focus
from sandbox.exports.files import localised, parts_of, renamed, with_columns_of, write_table
from sandbox.exports.manifests import FILE_NAMES, Blob, manifest, manifest_text
from sandbox.exports.plan import FOCUS, ExportOptions, Run, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.exports.destination import Destination

_PRICES = "MeterId,MeterName,UnitPrice,CurrencyCode\n9bb6ce19-5ad2-5217-a2f9-f761562bcf95,D4 v3/D4s v3,1.534,CNY\n"


@dataclass
class Truth:
    """What one run has, if nothing is wrong with it.

    Attributes:
        run_id: The run's id.
        folder: The folder of its files in the destination.
        rows: Rows of all parts.
        cost: The exact sum of their costs in the billing currency; of FOCUS, of the billed ones.
        effective_cost: Of FOCUS, the exact sum of the effective costs.
        currencies: The billing currencies in it.
        blob_count: Parts.
        byte_count: Bytes of all parts as the manifest has them.
    """

    run_id: str
    folder: str
    rows: int = 0
    cost: Decimal = Decimal(0)
    effective_cost: Decimal | None = None
    currencies: tuple[str, ...] = ()
    blob_count: int = 0
    byte_count: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON, costs as their exact text."""
        effective = {} if self.effective_cost is None else {"effective_cost": f"{self.effective_cost.normalize():f}"}
        return vars(self) | {"cost": f"{self.cost.normalize():f}", "currencies": list(self.currencies)} | effective


Truths = dict[str, dict[str, Truth]]
"""By dataset and month (`YYYY-MM`), of the newest run that has the month."""


def write_exports(options: ExportOptions, destination: Destination) -> Truths:
    """Write the exports of each dataset, a month's runs in their order; return the truth about its last one."""
    account = Account(options.account, options.agreement, options.currencies)
    charges = Charges(account, options.seed, options.rows)
    truths: Truths = {dataset: {} for dataset in options.datasets}
    with tempfile.TemporaryDirectory() as scratch:
        writer = _Writer(options, charges, destination, Path(scratch))
        for dataset in options.datasets:
            for month in options.months:
                for number, name in enumerate(options.run_names(month)):
                    run = run_of(options, dataset, month, name, number)
                    if options.overwrite:
                        destination.clear(run.range_folder(options))
                    truths[dataset][month] = writer.write(run)
                writer.write_besides(run)
    return truths


class _Writer:
    """Writes one run after another."""

    def __init__(self, options: ExportOptions, charges: Charges, destination: Destination, scratch: Path) -> None:
        self._options = options
        self._charges = charges
        self._destination = destination
        self._scratch = scratch

    def write(self, run: Run, *, parts: int | None = None) -> Truth:
        """Write a run, its manifest last; or its first parts only, without a manifest.

        Args:
            run: The run.
            parts: How many parts, of all by default.
        """
        options, traps = self._options, self._options.traps_of(run.name)
        truth = Truth(str(run.guid), run.folder(options))
        blobs = []
        for number, frame in enumerate(self._frames(run), 1):
            if parts is not None and number > parts:
                return truth
            blob = Blob(f"{run.folder(options)}/{run.part_name(options, number)}", 0, frame.height)
            table, effective = self._table(run, frame)
            file = self._scratch / "part"
            last = number == options.parts
            if "renamed-columns" in traps and last:
                table = renamed(table)
            if "localised-headers" in traps:
                table = localised(table)
            size = write_table(table, file, options.file_format, traps, first=number == 1, last=last)
            if not (last and "missing-part" in traps):
                self._destination.put(blob.name, file)
            blobs.append(blob._replace(byte_count=size))
            truth.rows += frame.height
            truth.cost = EXACT.add(truth.cost, cast("Decimal", frame[EXACT_COST].sum()))
            if effective is not None:
                truth.effective_cost = EXACT.add(truth.effective_cost or Decimal(0), effective)
            truth.currencies = tuple(sorted({*truth.currencies, *frame["billingCurrency"].unique()}))
        truth.blob_count, truth.byte_count = len(blobs), sum(blob.byte_count for blob in blobs)
        self._put_manifest(run, blobs)
        return truth

    def write_besides(self, run: Run) -> None:
        """Write what the month's traps put beside or after its last run."""
        traps = self._options.traps_of(run.name)
        if "unfinished" in traps:
            self.write(self._later(run, "unfinished", run.month), parts=1)
        if "one-week" in traps:
            week = Month(run.month.first, run.month.first + timedelta(days=13), run.month.revision)
            start = run.month.first + timedelta(days=7)
            self.write(replace(self._later(run, "one week", week), start=start, export=f"once-{run.dataset}"))
        if "price-sheet" in traps:
            prices = replace(self._later(run, "prices", run.month), export="prices")
            name = f"{prices.folder(self._options)}/part_0_0001.csv"
            file = self._scratch / "part"
            file.write_text(_PRICES, encoding="utf-8")
            blob = Blob(name, file.stat().st_size, 1)
            self._destination.put(name, file)
            self._put_manifest(prices, [blob], "PriceSheet")

    def _frames(self, run: Run) -> Iterator[pl.DataFrame]:
        """Yield the charges of each part; those that are no usage end the last one."""
        options, charges = self._options, self._charges
        form = options.form(run.dataset, run.name)
        numbers = charges.usage_numbers(run.month)
        if run.start is not None:
            before = charges.usage_numbers(Month(run.month.first, date_after(run.start, -1)))
            numbers = numbers[len(before) :]
        for place, stretch in enumerate(parts_of(len(numbers), options.parts), 1):
            if run.dataset == FOCUS:
                frame = focus.focus_usage(charges, run.month, numbers[stretch], form)
            else:
                frame = charges.usage(run.month, run.dataset, numbers[stretch], self._fields(), form)
            if place == options.parts:
                others = (
                    focus.focus_others(charges, run.month, form)
                    if run.dataset == FOCUS
                    else charges.others(run.month, run.dataset, self._fields(), form)
                )
                frame = pl.concat([frame, others])
            yield frame.clear() if "header-only" in options.traps_of(run.name) else frame

    def _table(self, run: Run, frame: pl.DataFrame) -> tuple[pl.DataFrame, Decimal | None]:
        """Return the file's columns of a part's charges and, of FOCUS, the exact sum of the effective costs."""
        if run.dataset != FOCUS:
            return with_columns_of(frame, self._columns()), None
        table = focus.focus_table(frame, self._options.form(FOCUS, run.name))
        return table, focus.effective_cost(table)

    def _columns(self) -> tuple[str, ...]:
        return columns.columns(self._options.agreement, self._options.dataset_version)

    def _fields(self) -> list[str]:
        """Return the fields of the file's columns, and the currency, which the truth needs."""
        return list(dict.fromkeys([*filter(None, map(columns.field_of, self._columns())), "billingCurrency"]))

    def _later(self, run: Run, name: str, month: Month) -> Run:
        guid = uuid5(NAMESPACE, f"{name} {run.guid}")
        return replace(run, submitted=run.submitted + timedelta(hours=3), guid=guid, month=month)

    def _put_manifest(self, run: Run, blobs: list[Blob], kind: str = "") -> None:
        options = self._options
        if options.manifest == "none":
            return
        file = self._scratch / "manifest"
        file.write_text(
            manifest_text(manifest(options, run, blobs, options.traps_of(run.name), kind)), encoding="utf-8"
        )
        self._destination.put(f"{run.folder(options)}/{FILE_NAMES[options.manifest]}", file)
