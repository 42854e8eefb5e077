"""The two streams: which months are read, and the order of rows, month row and STATE; a source reads the rows.

`billing_months` leads: for each enrollment and month it has `usage_details` write the rows, then yields the month row,
then writes STATE.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from typing_extensions import override

from tap_azure_ea_billing import months
from tap_azure_ea_billing.batch_files import BatchFiles
from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.fields import MONTH_SCHEMA, USAGE_SCHEMA
from tap_azure_ea_billing.months import Instants
from tap_azure_ea_billing.progress import Progress
from tap_azure_ea_billing.records import RecordMaker
from tap_azure_ea_billing.sdk import BillStream, PageStream
from tap_azure_ea_billing.sources.source import DATASETS, MonthQuery
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime
    from pathlib import Path

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_azure_ea_billing.months import Bookmark
    from tap_azure_ea_billing.run import Run
    from tap_azure_ea_billing.sources.source import Absence, Batch, MonthReading

_MOST_RECORDS = 5_000
"""Records that are made and written at a time."""


class NothingFoundError(OperatorError):
    """The source knows none of the months of a first run."""


class UnusableStateError(OperatorError):
    """The state is unreadable, or knows more of the time than this machine's clock."""


class Bill(NamedTuple):
    """Whose bill is read, and which: the partitions of the state."""

    enrollment_number: str
    dataset: str = DATASETS[0]

    def partition(self) -> dict[str, str]:
        """Return what distinguishes its state, which names no dataset unless it is another one than the first."""
        return {name: value for name, value in self._asdict().items() if value != DATASETS[0]}

    def named(self) -> str:
        """Return its name within a sentence."""
        return f"enrollment {self.enrollment_number}" + (f" ({self.dataset})" if self.dataset != DATASETS[0] else "")

    @override
    def __str__(self) -> str:
        """Return its name at the start of a sentence."""
        return f"E{self.named()[1:]}"


@dataclass
class Extraction:
    """One extraction of one month.

    Attributes:
        bill: Whose.
        context: enrollment_number, dataset, billing_month, snapshot_at: what singer-sdk calls the stream's context.
        month: The billing month.
        started_at: When the source was asked for it.
        snapshot_at: The extraction's time stamp.
        reading: The month as the source reads it.
        whole: Whether it was read to its end.
    """

    bill: Bill
    context: dict[str, str]
    month: date
    started_at: datetime
    snapshot_at: datetime
    reading: MonthReading
    whole: bool = False

    def batches(self) -> Iterator[Batch]:
        """Yield the batches once."""
        yield from self.reading.batches()
        self.whole = True


class BillingMonths(BillStream):
    """Months that were read to their end, one row after the last usage row of each."""

    name = "billing_months"
    schema: ClassVar[dict[str, Any]] = MONTH_SCHEMA
    primary_keys = ("enrollment_number", "dataset", "billing_month", "snapshot_at")
    replication_key = "billing_month"
    # The bookmark is good after each month; one that is extracted again is older than it, which is no sorting error.
    is_sorted = True
    check_sorted = False

    def __init__(self, tap: Tap, run: Run) -> None:
        super().__init__(tap)
        self._run = run
        self._bookmarks: dict[Bill, Bookmark | None] | None = None
        self._instants: dict[str, Instants] = {}

    @property
    def usage(self) -> UsageDetails:
        """The stream that writes the rows."""
        return self.child(UsageDetails)

    @property
    @override
    def partitions(self) -> list[dict[str, Any]]:
        """The datasets of the enrollments, each of which has a state of its own."""
        return [bill.partition() for bill in self._bills()]

    @override
    def generate_child_contexts(self, record: Record, context: Context | None) -> Iterable[Context | None]:
        """Name no child of a month row: usage rows are written before it, even if a stream map drops it."""
        return ()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield the row of each month of an enrollment that is to be read, after the month's usage rows.

        Raises:
            NothingFoundError: The source knows none of the months of a run without state.
        """
        bill = Bill(**(context or {}))
        if self._bookmarks is None:
            self._bookmarks = self._read_bookmarks()
            if self.usage.selected and not self.selected:
                self.logger.warning(
                    "The stream %s is not selected: no month will ever be complete, and the warehouse's views show "
                    "complete months only. Select it too: meltano select tap-azure-ea-billing %s '*'",
                    self.name,
                    self.name,
                )
        bookmark = self._bookmarks.get(bill)
        afresh = bookmark is None or self.takes_no_notice_of_state
        held: list[Extraction] | None = [] if afresh else None
        for month in self._plan(bill, None if afresh else bookmark)[: self.most_records]:
            extraction = self._open(bill, month, bookmark)
            absence = extraction.reading.absence
            if held is not None and absence is not None and absence.unknown:
                held.append(extraction)  # neither written nor remembered before one month proves the number right
                continue
            for each in (*(held or ()), extraction):
                yield from self._month_row(each)
                bookmark = self._remember(context, bookmark, each)
            held = None
        if held and absence is not None:
            raise _nothing_found(bill, held[0].month, held[-1].month, absence)

    def _bills(self) -> list[Bill]:
        settings = self._run.settings
        return [Bill(number, name) for name in settings.chosen_datasets() for number in settings.enrollment_numbers()]

    def _plan(self, bill: Bill, bookmark: Bookmark | None) -> list[date]:
        settings = self._run.settings
        now = self._run.clock()
        first, last = settings.first_month(), self._run.last_month()
        runs = self._run.source.runs(*bill)
        if runs is None:
            planned = months.months_to_extract(bookmark, first, last, now, settings.restatement_days)
            if sentence := months.start_before_state(bill.named(), bookmark, first, planned):
                self.logger.warning("%s", sentence)
        else:
            self._warn_of_gaps(bill, [m for m in months.months_between(first, last) if m not in runs], now)
            planned = months.months_with_news(bookmark, first, last, runs)
        if planned:
            self.log("%s: months to read: %s.", bill, ", ".join(map(months.label, planned)))
        else:
            newest = f", which was read up to {months.label(bookmark.month)}" if bookmark else ""
            self.log("%s%s: no month to read up to %s.", bill, newest, months.label(last))
        return planned

    def _warn_of_gaps(self, bill: Bill, without_run: list[date], now: datetime) -> None:
        """Name the months that are over and of which there is no run."""
        if over := [months.label(month) for month in without_run if month < months.current_month(now)]:
            self.logger.warning("%s: there is no finished run for %s; nothing is read for it.", bill, ", ".join(over))

    def _read_bookmarks(self) -> dict[Bill, Bookmark | None]:
        """Return what the state remembers of every enrollment, before anything is read for any of them.

        Raises:
            UnusableStateError: It is unreadable, or knows more of the time than this machine's clock.
        """
        bookmarks: dict[Bill, Bookmark | None] = {}
        numbers = self._run.settings.enrollment_numbers()
        for partition in self.stream_state.get("partitions", []):
            context = partition.get("context", {})
            if context.get("enrollment_number") not in numbers:
                continue
            bill = Bill(**context)
            try:
                bookmark = months.Bookmark.from_state(partition)
            except (ValueError, TypeError, AttributeError) as error:
                message = f"The state of {bill.named()} is unreadable ({error}): correct it or start without state."
                raise UnusableStateError(message) from None
            skew = self._run.settings.max_clock_skew
            ahead = bookmark and months.state_ahead(bill.named(), bookmark, self._run.clock(), skew)
            if ahead:
                raise UnusableStateError(ahead)
            bookmarks[bill] = bookmark
        for number in numbers:
            known = [found.newest for bill, found in bookmarks.items() if bill.enrollment_number == number and found]
            self._instants[number] = Instants(max(filter(None, known), default=None))
        return bookmarks

    def _open(self, bill: Bill, month: date, bookmark: Bookmark | None) -> Extraction:
        """Begin to read a month."""
        self._run.under_way = f"{bill.named()}, month {months.label(month)}"
        started_at = self._run.clock()
        snapshot_at = self._instants[bill.enrollment_number].take(month, started_at)
        context = {
            **bill._asdict(),
            "billing_month": month.isoformat(),
            "snapshot_at": months.instant_text(snapshot_at),
        }
        may_be_empty = month in self._run.settings.accepted_empty()
        query = MonthQuery(
            bill.enrollment_number,
            month,
            bill.dataset,
            rows_before=bookmark.row_counts.get(month, 0) if bookmark and not may_be_empty else 0,
            doubt_empty=month < months.current_month(started_at) and not may_be_empty,
            in_turn=self.most_records is not None,
            in_columns=self.usage.files is not None,
        )
        return Extraction(bill, context, month, started_at, snapshot_at, self._run.source.read(query))

    def _month_row(self, extraction: Extraction) -> Iterable[Record]:
        """Have a month's rows written, or counted if nobody selected them, and yield its own row."""
        progress = Progress(self.logger, f"{extraction.bill}, month {months.label(extraction.month)}")
        total = extraction.reading.total
        if self.usage.selected:
            self.usage.write(extraction, progress)
        else:
            for _ in extraction.batches():
                progress.report(total)
        progress.summary(total)
        self._warn(extraction)
        yield {
            **extraction.context,
            "source": self._run.settings.source,
            "page_count": total.pages,
            "row_count": total.rows,
            "extended_cost": total.cost,
            "started_at": months.instant_text(extraction.started_at),
            "completed_at": months.instant_text(self._run.clock()) if extraction.whole else None,
            "run_id": extraction.reading.run_id,
            "blob_count": extraction.reading.blob_count,
            "byte_count": extraction.reading.byte_count,
        }

    def _warn(self, extraction: Extraction) -> None:
        bill, month = extraction.bill, months.label(extraction.month)
        absence, total = extraction.reading.absence, extraction.reading.total
        if absence is not None and extraction.month < months.current_month(self._run.clock()):
            self.logger.warning("%s, month %s is over and has no usage (%s).", bill, month, absence.reason)
        if total.unreadable_costs:
            self.logger.warning(
                "%s, month %s: %s without a cost that is a number, written unchanged and not "
                "counted in the month's sum.",
                bill,
                month,
                counted(total.unreadable_costs, "row"),
            )

    def _remember(self, context: Context | None, bookmark: Bookmark | None, extraction: Extraction) -> Bookmark | None:
        """Write STATE after a month; singer-sdk asks for the next record only when the month row was written."""
        if extraction.whole:
            days = self._run.settings.restatement_days
            rows, run_id = extraction.reading.total.rows, extraction.reading.run_id
            bookmark = months.completed(bookmark, extraction.month, extraction.snapshot_at, days, rows, run_id=run_id)
        self.replace_bookmark(context, bookmark.to_state() if bookmark is not None else {})
        self._run.under_way = ""
        return bookmark


class UsageDetails(PageStream):
    """Usage rows, one for each line of the bill, with the values that the source has."""

    name = "usage_details"
    schema: ClassVar[dict[str, Any]] = USAGE_SCHEMA
    primary_keys = ("enrollment_number", "dataset", "billing_month", "snapshot_at", "row_number")
    replication_key = "billing_month"
    parent_stream_type = BillingMonths
    state_partitioning_keys = ()  # what was read is remembered by month, with `billing_months`

    def __init__(self, tap: Tap, run: Run) -> None:
        super().__init__(tap)
        self._run = run
        self._under_way: tuple[Extraction, Progress] | None = None

    def write(self, extraction: Extraction, progress: Progress) -> None:
        """Write SCHEMA and all rows of a month."""
        self._under_way = extraction, progress
        self.write_schema_and_records(extraction.context)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Write the rows of the month under way, and leave none for singer-sdk to write one by one."""
        if self._under_way is None:
            return ()
        extraction, progress = self._under_way
        deselected = self.deselected()
        maker = RecordMaker(**extraction.context, columns=self._run.source.columns, deselected=deselected)
        files = self.files
        gatherer = files.gather(extraction.context, deselected) if files is not None else None
        written = 0
        for batch in extraction.batches():
            wanted = len(batch)
            if self.most_records is not None:  # `--test`
                wanted = min(wanted, self.most_records - written)
            frame = batch.frame() if gatherer is not None and wanted else None
            if gatherer is not None and frame is not None:
                self._write_files(gatherer.add(frame, range(written + 1, written + 1 + wanted)))
                self.count(frame.height)
            else:
                rows, number = batch.rows(wanted), written + 1
                while records := maker.records(islice(rows, _MOST_RECORDS), number):
                    self.write_page(records)
                    number += len(records)
            written += wanted
            progress.report(extraction.reading.total)
            if wanted < len(batch):
                break
        if gatherer is not None:
            self._write_files(gatherer.rest())
        return ()

    @property
    def files(self) -> BatchFiles | None:
        """Where rows go that are wanted as frames; None if they are to be RECORDs."""
        in_files = self.selected and self.most_records is None and self.can_write_files()
        return self._run.batch_files if in_files else None

    def _write_files(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self.write_file(BatchFiles.encoding, path)


def _nothing_found(bill: Bill, first: date, last: date, absence: Absence) -> NothingFoundError:
    return NothingFoundError(
        f"{bill}: {absence.unknown} for every month from {months.label(first)} to {months.label(last)}: "
        f"{absence.advice}."
    )
