"""The source `arm`: months, batches and totals of usage details from Azure Resource Manager."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from tap_azure_ea_billing.sources.arm.client import UsageDetailsClient
from tap_azure_ea_billing.sources.azure.resource_manager import Purpose
from tap_azure_ea_billing.sources.files.frames import CostFrames, FrameBatch
from tap_azure_ea_billing.sources.files.names import COST_NAMES, RECORD_COLUMNS
from tap_azure_ea_billing.sources.files.sums import count_rows
from tap_azure_ea_billing.sources.prefetch import prefetched
from tap_azure_ea_billing.sources.source import Absence, MonthTotal
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Mapping
    from datetime import date

    from tap_azure_ea_billing.sources.arm.pages import Page
    from tap_azure_ea_billing.sources.arm.settings import UsageDetailsSettings
    from tap_azure_ea_billing.sources.source import Clock, MonthQuery


class UsageDetailsSource:
    """Usage details from Azure Resource Manager.

    Args:
        settings: The settings that it looks at.
        clock: Tells the time, UTC.
        logger: The tap's log.

    Raises:
        SettingsError: It is not said how to sign in.
    """

    columns: ClassVar[tuple[str, ...]] = RECORD_COLUMNS

    def __init__(self, settings: UsageDetailsSettings, clock: Clock, logger: logging.Logger) -> None:
        self._settings = settings
        self._client = UsageDetailsClient(settings, clock, logger)
        self._unknown_fields = UnknownFields(logger)

    def runs(self, enrollment_number: str, dataset: str) -> Mapping[date, str] | None:  # noqa: ARG002 - as every source
        """Return None: the API knows no runs."""
        return None

    def read(self, query: MonthQuery) -> UsageDetailsMonth:
        """Begin to read a month; return when its first page is there.

        Raises:
            RunStoppedError: An answer is neither a page nor an empty month, or none comes.
            NoTokenError: There is no token.
        """
        depth = 0 if query.in_turn else self._settings.prefetch_pages
        pages = prefetched(self._client.pages(query), depth)
        return UsageDetailsMonth(pages, query, self._unknown_fields)


class UsageDetailsMonth:
    """A month that is being read.

    Args:
        pages: Its pages in order.
        query: What was asked for.
        unknown_fields: Where fields that no documented record has are named.

    Attributes:
        total: What the batches so far came to.
        absence: Why it has no rows, None if it has some.
        run_id: None: there is no run.
        blob_count: None: there are no files.
        byte_count: Likewise.
    """

    def __init__(self, pages: Generator[Page, None, None], query: MonthQuery, unknown_fields: UnknownFields) -> None:
        self._first = next(pages)
        self._rest = pages
        self._query = query
        self._unknown_fields = unknown_fields
        empty = not self._first.ids and self._first.next_link is None
        self.total = MonthTotal()
        self.absence = Absence(f"Azure answers with status {self._first.status} and no records") if empty else None
        self.run_id: str | None = None
        self.blob_count: int | None = None
        self.byte_count: int | None = None

    def batches(self) -> Generator[FrameBatch, None, None]:
        """Yield the pages that have rows once, counting each before it is used.

        Raises:
            RunStoppedError: An answer is not a page, or none comes.
            FileError: The records of a page have no cost or no date.
        """
        for number, page in enumerate(chain((self._first,), self._rest), start=1):
            if not page.ids:
                continue
            where = Purpose(self._query.enrollment_number, self._query.dataset, self._query.month, f"page {number}")
            names = CostFrames(page.rows.columns, COST_NAMES, str(where), self._unknown_fields)
            frame = names.frame(page.rows)
            self.total.pages += 1
            count_rows(self.total, frame)
            yield FrameBatch(frame)
