"""The source `cost_details`: months, batches and totals of the reports that Azure makes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tap_azure_ea_billing.sources.azure.empty_months import check_empty
from tap_azure_ea_billing.sources.azure.resource_manager import Purpose
from tap_azure_ea_billing.sources.cost_details.client import CostDetailsClient
from tap_azure_ea_billing.sources.files.csv_reader import CsvFile
from tap_azure_ea_billing.sources.files.frames import CostFrames, FrameBatch
from tap_azure_ea_billing.sources.files.names import COST_NAMES, RECORD_COLUMNS
from tap_azure_ea_billing.sources.files.sums import count_rows
from tap_azure_ea_billing.sources.source import Absence, MonthTotal
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import date

    import polars as pl

    from tap_azure_ea_billing.sources.cost_details.reports import Report
    from tap_azure_ea_billing.sources.cost_details.settings import CostDetailsSettings
    from tap_azure_ea_billing.sources.source import Clock, MonthQuery

_ROWS_A_BATCH = 50_000


class CostDetailsSource:
    """Cost Details reports.

    Args:
        settings: The settings that it looks at.
        clock: Tells the time, UTC.
        logger: The tap's log.

    Raises:
        SettingsError: It is not said how to sign in.
    """

    columns: ClassVar[tuple[str, ...]] = RECORD_COLUMNS

    def __init__(self, settings: CostDetailsSettings, clock: Clock, logger: logging.Logger) -> None:
        self._settings = settings
        self._client = CostDetailsClient(settings, clock, logger)
        self._unknown_fields = UnknownFields(logger)

    def runs(self, enrollment_number: str, dataset: str) -> Mapping[date, str] | None:  # noqa: ARG002 - as every source
        """Return None: a report is made when it is asked for."""
        return None

    def read(self, query: MonthQuery) -> CostDetailsMonth:
        """Begin to read a month; return when its report is there, whole.

        Raises:
            RunStoppedError: There is no report, or its files are not what it says.
            NoTokenError: There is no token.
            FileError: A file of it can't be read.
        """
        doubt = query.doubt_empty and self._settings.max_retries > 0

        def fetch() -> CostDetailsMonth:
            nonlocal doubt
            month = CostDetailsMonth(self._client, query, self._unknown_fields)
            if month.absence is not None:
                doubted, doubt = doubt, False
                check_empty(query, doubt=doubted)
            return month

        return self._client.arm.repeat(fetch, Purpose(query.enrollment_number, query.dataset, query.month, "report"))


class CostDetailsMonth:
    """A month whose report is on this machine's disk, and is being read.

    Args:
        client: Fetches the report.
        query: What was asked for.
        unknown_fields: Where fields that no documented file has are named.

    Attributes:
        total: What the batches so far came to.
        absence: Why it has no rows, None if it has some.
        run_id: The report's id.
        blob_count: How many files it has.
        byte_count: Their size.
    """

    def __init__(self, client: CostDetailsClient, query: MonthQuery, unknown_fields: UnknownFields) -> None:
        folder = tempfile.mkdtemp(prefix="tap-azure-ea-billing-")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.total = MonthTotal()
        try:
            report, files = client.fetch(query, Path(folder))
            self.run_id = report.name
            self.blob_count: int | None = len(files)
            self.byte_count: int | None = sum(blob.byte_count for blob in report.blobs)
            frames = self._frames(files, query, unknown_fields)
            first = next(frames, None)
        except BaseException:
            self._remove()
            raise
        self._frames_left = chain(() if first is None else (first,), frames)
        self.absence = None if first is not None else _absence(report)
        if first is None:
            self._remove()

    def batches(self) -> Generator[FrameBatch, None, None]:
        """Yield the rows once, counting each batch before it is used.

        Raises:
            FileError: A file can't be read to its end.
        """
        try:
            for frame in self._frames_left:
                count_rows(self.total, frame)
                yield FrameBatch(frame)
        finally:
            self._remove()

    def _frames(
        self, files: Sequence[Path], query: MonthQuery, unknown_fields: UnknownFields
    ) -> Iterator[pl.DataFrame]:
        for number, path in enumerate(files, start=1):
            name = str(Purpose(query.enrollment_number, query.dataset, query.month, f"file {number} of the report"))
            with path.open("rb") as stream:
                file = CsvFile(stream, name)
                ours = CostFrames(file.header, COST_NAMES, name, unknown_fields, run_id=self.run_id)
                for rows in file.frames():
                    yield from map(ours.frame, rows.iter_slices(_ROWS_A_BATCH))
                self.total.pages += bool(file.rows)


def _absence(report: Report) -> Absence:
    return Absence(report.reason or "a report without rows")
