"""The two streams: which months are read, and the order of rows, month row and STATE; a source reads the rows.

`billing_months` leads: for each enrollment and month it has `usage_details` write the rows, then yields the month row,
then writes STATE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_azure_ea_billing import months
from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.fields import MONTH_SCHEMA, USAGE_SCHEMA
from tap_azure_ea_billing.months import Instants
from tap_azure_ea_billing.progress import Progress
from tap_azure_ea_billing.records import RecordMaker
from tap_azure_ea_billing.sdk import BillStream, PageStream
from tap_azure_ea_billing.sources.source import MonthQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_azure_ea_billing.months import Bookmark
    from tap_azure_ea_billing.run import Run
    from tap_azure_ea_billing.sources.source import Absence, Batch, MonthReading


class NothingFoundError(OperatorError):
    """The source knows none of the months of a first run."""


class UnusableStateError(OperatorError):
    """The state is unreadable, or knows more of the time than this machine's clock."""


@dataclass
class Extraction:
    """One extraction of one month.

    Attributes:
        context: enrollment_number, billing_month, snapshot_at: what singer-sdk calls the stream's context.
        month: The billing month.
        started_at: When the source was asked for it.
        snapshot_at: The extraction's time stamp.
        reading: The month as the source reads it.
        whole: Whether it was read to its end.
    """

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
    primary_keys = ("enrollment_number", "billing_month", "snapshot_at")
    replication_key = "billing_month"
    # The bookmark is good after each month; one that is extracted again is older than it, which is no sorting error.
    is_sorted = True
    check_sorted = False

    def __init__(self, tap: Tap, run: Run) -> None:
        super().__init__(tap)
        self._run = run
        self._bookmarks: dict[str, Bookmark | None] | None = None

    @property
    def usage(self) -> UsageDetails:
        """The stream that writes the rows."""
        return self.child(UsageDetails)

    @property
    @override
    def partitions(self) -> list[dict[str, Any]]:
        """The enrollments, each of which has a state of its own."""
        return [{"enrollment_number": number} for number in self._run.settings.enrollment_numbers()]

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
        number = (context or {})["enrollment_number"]
        if self._bookmarks is None:
            self._bookmarks = self._read_bookmarks()
        bookmark = self._bookmarks.get(number)
        afresh = bookmark is None or self.takes_no_notice_of_state
        instants = Instants(bookmark.newest if bookmark else None)
        held: list[Extraction] | None = [] if afresh else None
        for month in self._plan(number, None if afresh else bookmark)[: self.most_records]:
            extraction = self._open(number, month, bookmark, instants)
            absence = extraction.reading.absence
            if held is not None and absence is not None and absence.unknown:
                held.append(extraction)  # neither written nor remembered before one month proves the number right
                continue
            for each in (*(held or ()), extraction):
                yield from self._month_row(each)
                bookmark = self._remember(context, bookmark, each)
            held = None
        if held and absence is not None:
            raise _nothing_found(number, held[0].month, held[-1].month, absence)

    def _plan(self, number: str, bookmark: Bookmark | None) -> list[date]:
        settings = self._run.settings
        now = self._run.clock()
        last = self._run.last_month()
        planned = months.months_to_extract(bookmark, settings.first_month(), last, now, settings.restatement_days)
        if planned:
            self.log("Enrollment %s: months to read: %s.", number, ", ".join(map(months.label, planned)))
        else:
            newest = f", which was read up to {months.label(bookmark.month)}" if bookmark else ""
            self.log("Enrollment %s%s: no month to read up to %s.", number, newest, months.label(last))
        return planned

    def _read_bookmarks(self) -> dict[str, Bookmark | None]:
        """Return what the state remembers of every enrollment, before anything is read for any of them.

        Raises:
            UnusableStateError: It is unreadable, or knows more of the time than this machine's clock.
        """
        bookmarks = {}
        numbers = self._run.settings.enrollment_numbers()
        for partition in self.stream_state.get("partitions", []):
            number = partition.get("context", {}).get("enrollment_number")
            if number not in numbers:
                continue
            try:
                bookmark = months.Bookmark.from_state(partition)
            except (ValueError, TypeError, AttributeError) as error:
                message = (
                    f"The state of enrollment {number} is unreadable ({error}): correct it or start without state."
                )
                raise UnusableStateError(message) from None
            skew = self._run.settings.max_clock_skew
            ahead = bookmark and months.state_ahead(number, bookmark, self._run.clock(), skew)
            if ahead:
                raise UnusableStateError(ahead)
            bookmarks[number] = bookmark
        return bookmarks

    def _open(self, number: str, month: date, bookmark: Bookmark | None, instants: Instants) -> Extraction:
        """Begin to read a month."""
        self._run.under_way = f"enrollment {number}, month {months.label(month)}"
        started_at = self._run.clock()
        snapshot_at = instants.take(started_at)
        context = {
            "enrollment_number": number,
            "billing_month": month.isoformat(),
            "snapshot_at": months.instant_text(snapshot_at),
        }
        may_be_empty = month in self._run.settings.accepted_empty()
        query = MonthQuery(
            number,
            month,
            rows_before=bookmark.row_counts.get(month, 0) if bookmark and not may_be_empty else 0,
            doubt_empty=month < months.current_month(started_at) and not may_be_empty,
            in_turn=self.most_records is not None,
        )
        return Extraction(context, month, started_at, snapshot_at, self._run.source.read(query))

    def _month_row(self, extraction: Extraction) -> Iterable[Record]:
        """Have a month's rows written, or counted if nobody selected them, and yield its own row."""
        currency = self._run.settings.currency_of(extraction.context["enrollment_number"])
        progress = Progress(self.logger, extraction.context, currency)
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
        }

    def _warn(self, extraction: Extraction) -> None:
        number, month = extraction.context["enrollment_number"], months.label(extraction.month)
        absence, total = extraction.reading.absence, extraction.reading.total
        if absence is not None and extraction.month < months.current_month(self._run.clock()):
            self.logger.warning("Enrollment %s, month %s is over and has no usage (%s).", number, month, absence.reason)
        if total.unreadable_costs:
            self.logger.warning(
                "Enrollment %s, month %s: %d rows have no cost that is a number; they are written unchanged and "
                "count nothing in the month's sum.",
                number,
                month,
                total.unreadable_costs,
            )

    def _remember(self, context: Context | None, bookmark: Bookmark | None, extraction: Extraction) -> Bookmark | None:
        """Write STATE after a month; singer-sdk asks for the next record only when the month row was written."""
        if extraction.whole:
            days = self._run.settings.restatement_days
            rows = extraction.reading.total.rows
            bookmark = months.completed(bookmark, extraction.month, extraction.snapshot_at, days, rows)
        self.replace_bookmark(context, bookmark.to_state() if bookmark is not None else {})
        self._run.under_way = ""
        return bookmark


class UsageDetails(PageStream):
    """Usage rows, one for each line of the bill, with the values that the source has."""

    name = "usage_details"
    schema: ClassVar[dict[str, Any]] = USAGE_SCHEMA
    primary_keys = ("enrollment_number", "billing_month", "snapshot_at", "row_number")
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
        maker = RecordMaker(**extraction.context, columns=self._run.source.columns, deselected=self.deselected())
        written = 0
        for batch in extraction.batches():
            wanted = len(batch)
            if self.most_records is not None:  # `--test`
                wanted = min(wanted, self.most_records - written)
            self.write_page(maker.records(batch.rows(wanted), written + 1))
            written += wanted
            progress.report(extraction.reading.total)
            if wanted < len(batch):
                break
        return ()


def _nothing_found(number: str, first: date, last: date, absence: Absence) -> NothingFoundError:
    return NothingFoundError(
        f"Enrollment {number}: {absence.unknown} for every month from {months.label(first)} to {months.label(last)}: "
        f"{absence.advice}."
    )
