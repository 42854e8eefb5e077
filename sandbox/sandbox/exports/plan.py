"""What a simulated export is asked for, and its runs: days, folders, ids; nothing is written here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from sandbox.bill import columns
from sandbox.bill.catalogue import NAMESPACE
from sandbox.bill.charges import DATASETS, Month, whole_month
from sandbox.bill.forms import Form
from sandbox.exports.traps import CSV_TRAPS, parse_trap

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("csv", "csv.gz", "parquet")
MANIFESTS = ("2024-04-01", "2021-01-01", "none")
FOCUS = "focus"
TYPES = {"actual": "ActualCost", "amortized": "AmortizedCost", FOCUS: "FocusCost"}

_SECOND_RUNS = 5
_RUN = re.compile(r"[1-9]|[12]\d|3[01]|\+[1-5]|daily")
_OLD_DATES = {"2019-10-01": "%Y-%m-%d %H:%M:%S", "2020-01-01": "%Y-%m-%d"}


@dataclass(frozen=True)
class ExportOptions:
    """What to write.

    Attributes:
        account: An EA enrollment, or the id of an MCA account.
        agreement: `ea` or `mca`.
        version: The dataset version, '' for the agreement's newest; `portal-download` for the portal's columns.
        datasets: Of `actual`, `amortized` and `focus`, an export each.
        months: `YYYY-MM`.
        runs: `10` runs on the month's day 10 and has the month to date, `+5` on day 5 of the next month; `daily` is a
            run on each of these days.
        rows: Rows of usage in a whole month.
        seed: Another seed is another bill.
        file_format: One of `FORMATS`.
        parts: Files of a run.
        manifest: One of `MANIFESTS`.
        overwrite: Whether a run takes the place of the one before it (OverwritePreviousReport).
        directory: The exports' folder in the destination.
        traps: NAME or NAME/YYYY-MM, see `sandbox.exports.traps.TRAPS`.
    """

    account: str = "88888888"
    agreement: str = "ea"
    version: str = ""
    datasets: Sequence[str] = DATASETS
    months: Sequence[str] = ("2026-08", "2026-09")
    runs: Sequence[str] = ("+5",)
    rows: int = 1000
    seed: int = 1
    file_format: str = "csv"
    parts: int = 2
    manifest: str = MANIFESTS[0]
    overwrite: bool = False
    directory: str = "costs"
    traps: Sequence[str] = ()
    _by_month: dict[str, set[str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: With a sentence about what is wrong.
        """
        if self.dataset_version not in columns.versions(self.agreement):
            known = ", ".join(columns.versions(self.agreement))
            raise ValueError(f"{self.agreement} has no version {self.version!r}; there are {known}.")
        if not self.runs:
            raise ValueError("There is no run to write.")
        for run in self.runs:
            if not _RUN.fullmatch(run):
                raise ValueError(
                    f"The run {run!r} is not a day of a month, not one of +1 to +{_SECOND_RUNS}, and not daily."
                )
        for trap in self.traps:
            name, month = parse_trap(trap)
            if name in CSV_TRAPS and self.file_format == "parquet":
                raise ValueError(f"The trap {name!r} is in CSV files only.")
            for one in [month] if month else self.months:
                self._by_month.setdefault(one, set()).add(name)

    @property
    def dataset_version(self) -> str:
        """The version of the actual and amortized datasets."""
        return self.version or columns.NEWEST[self.agreement]

    @property
    def currencies(self) -> tuple[str, ...]:
        """The billing currencies."""
        return ("CNY", "USD") if any(trap.partition("/")[0] == "two-currencies" for trap in self.traps) else ("CNY",)

    def traps_of(self, month: str) -> set[str]:
        """Return the names of the traps in a month's files."""
        return self._by_month.get(month, set())

    def run_names(self, month: str) -> list[str]:
        """Return the runs of a month, each by its day."""
        daily = [str(day.day) for day in whole_month(month).days]
        daily += [f"+{number}" for number in range(1, _SECOND_RUNS + 1)]
        return [name for run in self.runs for name in (daily if run == "daily" else [run])]

    def form(self, dataset: str, month: str) -> Form:
        """Return how a dataset's values are written."""
        parquet = self.file_format == "parquet"
        date_format = _OLD_DATES.get(self.dataset_version, "%m/%d/%Y") if self.agreement == "ea" else "%m/%d/%Y"
        if dataset == FOCUS:
            date_format = "%Y-%m-%dT00:00Z"
        braces = (self.agreement == "mca") != ("tags-other-way" in self.traps_of(month)) or dataset == FOCUS
        return Form("" if parquet else date_format, decimals=parquet, braces=braces, booleans=parquet)


@dataclass(frozen=True)
class Run:
    """One run of one dataset's export for one month.

    Attributes:
        export: The export's name.
        dataset: `actual`, `amortized` or `focus`.
        month: What it sees of the month.
        submitted: When, in UTC.
        guid: Its id.
        number: Its place among the runs of the month.
        start: The first day of its period, where that is not the month's.
    """

    export: str
    dataset: str
    month: Month
    submitted: datetime
    guid: UUID
    number: int
    start: date | None = None

    @property
    def name(self) -> str:
        """The month, `YYYY-MM`."""
        return f"{self.month.first:%Y-%m}"

    def range_folder(self, options: ExportOptions) -> str:
        """Return the month's folder."""
        return f"{options.directory}/{self.export}/{self.month.first:%Y%m%d}-{self.month.last:%Y%m%d}"

    def folder(self, options: ExportOptions) -> str:
        """Return the folder of the run's files."""
        if options.manifest == "none":
            return self.range_folder(options)
        moment = "" if options.overwrite else f"/{self.submitted:%Y%m%d%H%M}"
        return f"{self.range_folder(options)}{moment}/{self.guid}"

    def part_name(self, options: ExportOptions, number: int) -> str:
        """Return the name of a part, counted from 1."""
        ending = "snappy.parquet" if options.file_format == "parquet" else options.file_format
        if options.manifest == "none":
            return (
                f"{self.export}_{self.guid}.{ending}" if number == 1 else f"{self.export}_{self.guid}_{number}.{ending}"
            )
        return f"{number:06d}.{ending}" if options.manifest == "2021-01-01" else f"part_0_{number:04d}.{ending}"


def run_of(options: ExportOptions, dataset: str, month: str, run: str, number: int) -> Run:
    """Return a run, `10` or `+5` as in the options.

    Args:
        options: What to write.
        dataset: `actual`, `amortized` or `focus`.
        month: `YYYY-MM`.
        run: One of the options' runs.
        number: Its place among them.
    """
    whole = whole_month(month)
    if run.startswith("+"):
        seen = Month(whole.first, whole.last, int(run))
        day = whole.last + timedelta(days=int(run))
    else:
        seen = Month(whole.first, whole.first.replace(day=min(int(run), whole.length)))
        day = seen.through
    identity = f"run {options.seed} {options.account} {dataset} {month} {run} {options.version} {options.file_format}"
    guid = uuid5(NAMESPACE, identity)
    submitted = datetime(day.year, day.month, day.day, 4, guid.int % 60, guid.int // 60 % 60)  # noqa: DTZ001 - UTC
    return Run(f"daily-{dataset}", dataset, seen, submitted, guid, number)
