"""The EA reporting API as the tap sees it: a month as batches of rows, each the size of a page."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar

from tap_azure_ea_billing.sources.costs import costs_of_numbers
from tap_azure_ea_billing.sources.ea import kinds
from tap_azure_ea_billing.sources.ea.api_key import check_keys, load_keys
from tap_azure_ea_billing.sources.ea.client import EAClient
from tap_azure_ea_billing.sources.ea.kinds import Handling
from tap_azure_ea_billing.sources.ea.rows import COLUMNS, RowReader, readable_costs
from tap_azure_ea_billing.sources.prefetch import prefetched
from tap_azure_ea_billing.sources.source import Absence, MonthTotal
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    import polars as pl

    from tap_azure_ea_billing.sources.ea.answers import Page
    from tap_azure_ea_billing.sources.ea.kinds import Kind
    from tap_azure_ea_billing.sources.ea.plain_rows import PageRows
    from tap_azure_ea_billing.sources.ea.settings import EASettings
    from tap_azure_ea_billing.sources.source import Clock, MonthQuery

_CURRENCY = "CNY"
"""Of Azure China; the API names none."""


class EASource:
    """The EA reporting API.

    Args:
        settings: The settings that it looks at.
        clock: Tells the time, UTC.
        logger: The tap's log.

    Raises:
        SettingsError: A key is missing, unreadable, expired or another enrollment's.
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    def __init__(self, settings: EASettings, clock: Clock, logger: logging.Logger) -> None:
        keys = load_keys(settings)
        check_keys(keys, clock(), logger)
        self._settings = settings
        self._client = EAClient(settings, keys, clock, logger)
        self._unknown_fields = UnknownFields(logger)

    def runs(self, enrollment_number: str, dataset: str) -> Mapping[date, str] | None:  # noqa: ARG002 - as every source
        """Return None: the API knows no runs."""
        return None

    def read(self, query: MonthQuery) -> EAMonth:
        """Begin to read a month; return when its first page is there.

        Raises:
            RunStoppedError: An answer is neither a page nor an empty month, or none comes.
        """
        pages = self._client.pages(
            query.enrollment_number,
            query.month,
            rows_before=query.rows_before,
            doubt_empty=query.doubt_empty,
            in_columns=query.in_columns,
        )
        depth = 0 if query.in_turn else self._settings.prefetch_pages
        currency = self._settings.currency_of(query.enrollment_number) or _CURRENCY
        return EAMonth(prefetched(pages, depth), RowReader(currency, self._unknown_fields), currency)


class EAMonth:
    """A month that is being read.

    Args:
        pages: Its pages in order.
        reader: Reads their rows.
        currency: Currency of their costs.

    Attributes:
        total: What the batches so far came to.
        absence: Why it has no rows, None if it has some.
    """

    run_id: str | None = None
    blob_count: int | None = None
    byte_count: int | None = None

    def __init__(self, pages: Generator[Page, None, None], reader: RowReader, currency: str) -> None:
        self._first = next(pages)
        self._rest = pages
        self._reader = reader
        self.total = MonthTotal(currencies={currency})
        self.absence = _absence(self._first.kind)

    def batches(self) -> Generator[PageBatch, None, None]:
        """Yield the pages once, counting each before it is used.

        Raises:
            RunStoppedError: An answer is not a page, or none comes.
        """
        for page in chain((self._first,), self._rest):
            batch = PageBatch(page.rows, self._reader)
            self.total.add(len(page.rows), batch.costs())
            yield batch


class PageBatch:
    """The rows of a page.

    Args:
        page: The rows as received.
        reader: Reads them.
    """

    def __init__(self, page: PageRows, reader: RowReader) -> None:
        self._page = page
        self._reader = reader

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._page)

    def costs(self) -> list[Decimal]:
        """Return the costs that can be read."""
        return costs_of_numbers(self._page.costs) + readable_costs(self._page.apart.values())

    def rows(self, most: int | None = None) -> Iterator[Sequence[Any]]:
        """Yield the values of each row, of no more than `most`, in the order of `COLUMNS`."""
        return islice(self._reader.values(self._page), most)

    def frame(self) -> pl.DataFrame | None:
        """Return the rows as columns of texts, None if nobody wanted them so."""
        return self._reader.columns(self._page)


def _absence(kind: Kind) -> Absence | None:
    if kind is kinds.NOT_FOUND:
        return Absence(kind.when, "the API answers 404", "check `enrollment_number` and `api_url`")
    return Absence(kind.when) if kind.handling is Handling.EMPTY else None
