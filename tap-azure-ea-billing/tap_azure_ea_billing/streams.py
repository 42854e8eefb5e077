"""The two streams: which months are read, and the order of rows, month row and STATE; requests are in `client`.

`billing_months` leads: for each enrollment and month it has `usage_details` write the rows, then gives the month row,
then writes STATE. Rows are written by the page, since singer-sdk's way through each record costs more than all the rest
of the tap; selection and stream maps are applied here as singer-sdk applies them.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.exceptions import FatalSyncError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream

from tap_azure_ea_billing import kinds, months
from tap_azure_ea_billing.client import EABillingStream
from tap_azure_ea_billing.clocks import state_ahead
from tap_azure_ea_billing.extraction import Extraction
from tap_azure_ea_billing.fields import MONTH_SCHEMA, USAGE_SCHEMA
from tap_azure_ea_billing.kinds import Handling
from tap_azure_ea_billing.months import Instants
from tap_azure_ea_billing.progress import Progress
from tap_azure_ea_billing.rows import RowRenderer, plain, record_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import msgspec
    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter

    from tap_azure_ea_billing.months import Bookmark
    from tap_azure_ea_billing.run import Run
    from tap_azure_ea_billing.writer import PageWriter


class NothingFoundError(FatalSyncError):
    """Every month of a first run was answered with 404."""


class _OneSentence(Stream):
    """A stream that leaves it to `tap` to say, in one sentence, why it stopped."""

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:  # noqa: ANN401 - as in Stream
        """Leave out singer-sdk's remark that an error was not handled: the command line does that."""
        if level < logging.ERROR or sys.exc_info()[0] is None:
            super().log(message, *args, level=level, **kwargs)


class BillingMonths(_OneSentence):
    """Months that were read to their end, one row after the last usage row of each."""

    name = "billing_months"
    schema: ClassVar[dict[str, Any]] = MONTH_SCHEMA
    primary_keys = ("enrollment_number", "billing_month", "snapshot_at")
    replication_key = "billing_month"
    # The bookmark is good after each month; one that is extracted again is older than it, which is no sorting error.
    is_sorted = True
    check_sorted = False
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: Tap, run: Run) -> None:
        """Take settings and clock from the run."""
        super().__init__(tap)
        self._run = run
        self._plugin = tap
        self._bookmarks: dict[str, Bookmark | None] | None = None

    @property
    def usage(self) -> UsageDetails:
        """The stream that writes the rows."""
        return next(stream for stream in self.child_streams if isinstance(stream, UsageDetails))

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """The enrollments, each of which has a state of its own."""
        return [{"enrollment_number": each.enrollment_number} for each in self._run.settings.all_enrollments()]

    def generate_child_contexts(self, record: Record, context: Context | None) -> Iterable[Context | None]:
        """Name no child of a month row: usage rows are written before it, even if a stream map drops it."""
        del record, context
        return ()

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield the row of each month of an enrollment that is to be read, after the month's usage rows.

        Raises:
            NothingFoundError: if the API answers 404 for every month of a run without state.
        """
        number = (context or {})["enrollment_number"]
        if self._bookmarks is None:
            self._bookmarks = self._read_bookmarks()
        bookmark = self._bookmarks.get(number)
        afresh = bookmark is None or self.replication_method == REPLICATION_FULL_TABLE
        instants = Instants(bookmark.newest if bookmark else None)
        held: list[Extraction] | None = [] if afresh else None
        for month in self._plan(number, None if afresh else bookmark)[: self.ABORT_AT_RECORD_COUNT]:
            extraction = self._open(number, month, bookmark, instants)
            if held is not None and extraction.first.kind is kinds.NOT_FOUND:
                held.append(extraction)  # neither written nor remembered before one month proves the number right
                continue
            for each in (*(held or ()), extraction):
                yield from self._month_row(each)
                bookmark = self._remember(context, bookmark, each)
            held = None
        if held:
            message = (
                f"Enrollment {number}: the API answers 404 for every month from {months.label(held[0].month)} to "
                f"{months.label(held[-1].month)}: check `enrollment_number` and `api_url`."
            )
            raise NothingFoundError(message)

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
        """Return what the state remembers of every enrollment, before the first request for any of them.

        Raises:
            FatalSyncError: if it is unreadable, or knows more of the time than this machine's clock.
        """
        bookmarks = {}
        for partition in self.stream_state.get("partitions", []):
            number = partition.get("context", {}).get("enrollment_number")
            if number not in self._run.keys:
                continue
            try:
                bookmark = months.Bookmark.from_state(partition)
            except (ValueError, TypeError, AttributeError) as error:
                message = (
                    f"The state of enrollment {number} is unreadable ({error}): correct it or start without state."
                )
                raise FatalSyncError(message) from None
            ahead = bookmark and state_ahead(number, bookmark, self._run.clock(), self._run.settings.max_clock_skew)
            if ahead:
                raise FatalSyncError(ahead)
            bookmarks[number] = bookmark
        return bookmarks

    def _open(self, number: str, month: date, bookmark: Bookmark | None, instants: Instants) -> Extraction:
        """Ask for a month's first page."""
        self._run.under_way = f"enrollment {number}, month {months.label(month)}"
        started_at = self._run.clock()
        snapshot_at = instants.take(started_at)
        context = {
            "enrollment_number": number,
            "billing_month": month.isoformat(),
            "snapshot_at": months.instant_text(snapshot_at),
        }
        rows_before = bookmark.row_counts.get(month, 0) if bookmark else 0
        doubt_empty = month < months.current_month(started_at)
        if month in self._run.settings.accepted_empty():
            rows_before, doubt_empty = 0, False
        pages = self.usage.pages(context, rows_before, doubt_empty=doubt_empty)
        first = next(pages)
        if first.next_link is None:
            next(pages, None)  # the thread that reads ahead is done with this month before another one begins
        return Extraction(context, month, started_at, snapshot_at, first, pages)

    def _month_row(self, extraction: Extraction) -> Iterable[Record]:
        """Have a month's rows written, or counted if nobody selected them, and yield its own row."""
        currency = self._run.settings.currency_of(extraction.context["enrollment_number"])
        progress = Progress(self.logger, extraction.context, currency)
        if self.usage.selected:
            self.usage.write(extraction, progress)
        else:
            for _ in extraction.read():
                progress.report(extraction.tally)
        tally = extraction.tally
        progress.summary(tally)
        self._warn(extraction)
        yield {
            **extraction.context,
            "source": self._run.settings.source,
            "page_count": tally.pages,
            "row_count": tally.rows,
            "extended_cost": tally.cost,
            "started_at": months.instant_text(extraction.started_at),
            "completed_at": months.instant_text(self._run.clock()) if extraction.whole else None,
        }

    def _warn(self, extraction: Extraction) -> None:
        number, month = extraction.context["enrollment_number"], months.label(extraction.month)
        kind = extraction.first.kind
        if kind.handling is Handling.EMPTY and extraction.month < months.current_month(self._run.clock()):
            self.logger.warning("Enrollment %s, month %s is over and has no usage (%s).", number, month, kind.when)
        if extraction.tally.unreadable_costs:
            self.logger.warning(
                "Enrollment %s, month %s: %d rows have no cost that is a number; they are written as they came and "
                "count nothing in the month's sum.",
                number,
                month,
                extraction.tally.unreadable_costs,
            )

    def _remember(self, context: Context | None, bookmark: Bookmark | None, extraction: Extraction) -> Bookmark | None:
        """Write STATE after a month; singer-sdk asks for the next record only when the month row was written."""
        state = self.get_context_state(context)
        # singer-sdk notes where each stream began and the newest record; here one bookmark stands for both streams.
        for key in ("starting_replication_value", "replication_key", "replication_key_value"):
            state.pop(key, None)
        self.usage.stream_state.clear()
        if extraction.whole:
            days = self._run.settings.restatement_days
            rows = extraction.tally.rows
            bookmark = months.completed(bookmark, extraction.month, extraction.snapshot_at, days, rows)
        if bookmark is not None:
            state.update(bookmark.to_state())
        self._plugin.state_writer.write_state(self._plugin.state)
        self._run.under_way = ""
        return bookmark


class UsageDetails(_OneSentence, EABillingStream):
    """Usage rows, one for each line of the bill, as the API gave them."""

    name = "usage_details"
    schema: ClassVar[dict[str, Any]] = USAGE_SCHEMA
    primary_keys = ("enrollment_number", "billing_month", "snapshot_at", "row_number")
    replication_key = "billing_month"
    parent_stream_type = BillingMonths
    state_partitioning_keys = ()  # what was read is remembered by month, with `billing_months`
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: Tap, run: Run) -> None:
        """Take settings and keys from the run, the writer from the tap."""
        super().__init__(tap, run)
        self._writer = cast("PageWriter", tap.message_writer)  # of the tap's `message_writer_class`
        self._extraction: Extraction | None = None
        self._progress: Progress | None = None
        self._counter: Counter | None = None

    def write(self, extraction: Extraction, progress: Progress) -> None:
        """Write SCHEMA and all rows of a month."""
        self._extraction, self._progress = extraction, progress
        self.sync(extraction.context)

    def get_record_counter(self, *, endpoint: str | None = None, log_interval: float = 60.0) -> Counter:
        """Return singer-sdk's counter, and keep it, since rows are counted by the page."""
        self._counter = super().get_record_counter(endpoint=endpoint, log_interval=log_interval)
        return self._counter

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Write the rows of the month in hand, and leave none for singer-sdk to write one by one."""
        extraction = self._extraction
        if extraction is None or context is None:
            return ()
        render = RowRenderer(
            extraction.context["enrollment_number"],
            extraction.context["billing_month"],
            extraction.context["snapshot_at"],
            self._run.settings.currency_of(extraction.context["enrollment_number"]),
            [name for name in USAGE_SCHEMA["properties"] if not self.mask["properties", name]],
        )
        next_number = 1
        for page in extraction.read():
            rows = page.rows
            if self.ABORT_AT_RECORD_COUNT is not None:  # `--test`
                rows = rows[: max(0, self.ABORT_AT_RECORD_COUNT - next_number + 1)]
            self._write(render.records(rows, next_number))
            self._run.name_unknown_fields(render.unknown_fields)
            next_number += len(rows)
            if self._counter is not None:
                self._counter.increment(len(rows))
            if self._progress is not None:
                self._progress.report(extraction.tally)
            if len(rows) < len(page.rows):
                break
        return ()

    def _write(self, records: list[msgspec.Struct]) -> None:
        """Write a page's records under each name that the stream maps give the stream."""
        for stream_map in self.stream_maps:
            mapped: Iterable[msgspec.Struct | Record] = records
            if not isinstance(stream_map, SameRecordTransform) or stream_map.flattening_enabled:
                transformed = (stream_map.transform(plain(record)) for record in records)
                mapped = [record for record in transformed if record is not None]
            self._writer.write_lines(record_lines(stream_map.stream_alias, mapped))
