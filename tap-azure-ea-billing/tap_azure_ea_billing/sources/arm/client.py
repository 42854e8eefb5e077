"""A month of usage details, page by page: where it begins, which links may be followed, when it is at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from tap_azure_ea_billing.sdk import RequestMetrics
from tap_azure_ea_billing.sources.arm.pages import OK, read_page
from tap_azure_ea_billing.sources.arm.rows import RecordReader
from tap_azure_ea_billing.sources.azure.answers import ASK, AnswerError
from tap_azure_ea_billing.sources.azure.empty_months import check_empty
from tap_azure_ea_billing.sources.azure.resource_manager import Purpose, ResourceManager
from tap_azure_ea_billing.sources.azure.scopes import month_span

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator

    import requests

    from tap_azure_ea_billing.sources.arm.pages import Page
    from tap_azure_ea_billing.sources.arm.settings import UsageDetailsSettings
    from tap_azure_ea_billing.sources.source import Clock, MonthQuery

_ENDPOINT = "/providers/Microsoft.Consumption/usageDetails"
_METRICS = {"actual": "actualcost", "amortized": "amortizedcost"}
_RECORDS_A_PAGE = 1000
_EXPAND = "properties/meterDetails,properties/additionalInfo"


class UsageDetailsClient:
    """A client of Microsoft.Consumption/usageDetails.

    Args:
        settings: Scope, agreement, bounds.
        clock: Tells the time, UTC.
        logger: Where tries that failed are reported.

    Raises:
        CredentialError: It is not said how to sign in.
    """

    def __init__(self, settings: UsageDetailsSettings, clock: Clock, logger: logging.Logger) -> None:
        self._settings = settings
        self._arm = ResourceManager(settings, clock, logger)

    def pages(self, query: MonthQuery) -> Generator[Page, None, None]:
        """Yield the pages of a month in order; the last one is the month's end.

        Raises:
            RunStoppedError: An answer is neither a page nor an empty month, or none comes.
            NoTokenError: There is no token.
        """
        walk = _Walk(query, self._settings, self._arm)
        context = {"enrollment_number": query.enrollment_number, "billing_month": query.month.isoformat()}
        link: str | None = self._first_url(query)
        with RequestMetrics(_ENDPOINT, context) as metrics:
            while link is not None:
                walk.followed.add(link)
                purpose = Purpose(query.enrollment_number, query.dataset, query.month, f"page {walk.number}")
                page = self._arm.ask(link, walk.read, purpose, metrics)
                metrics.count()
                yield page
                walk.turn(page)
                link = page.next_link

    def _first_url(self, query: MonthQuery) -> str:
        number = query.enrollment_number
        parameters = {
            "api-version": self._settings.usage_details_api_version,
            "metric": _METRICS[query.dataset],
            "$top": str(_RECORDS_A_PAGE),
            "$expand": _EXPAND,
        }
        scope = quote(self._settings.scope_of(number), safe="/:()")
        if self._settings.agreement_of(number) == "ea":
            scope += f"/providers/Microsoft.Billing/billingPeriods/{query.month:%Y%m}"
        else:
            first, last = month_span(query.month)
            parameters |= {"startDate": first, "endDate": last}
        return f"{self._arm.url}/{scope}{_ENDPOINT}?{urlencode(parameters, safe='$/,')}"


class _Walk:
    """A month that is being fetched, and what an answer is checked against before it counts."""

    def __init__(self, query: MonthQuery, settings: UsageDetailsSettings, arm: ResourceManager) -> None:
        self._query = query
        self._settings = settings
        self._arm = arm
        self._doubt = query.doubt_empty and settings.max_retries > 0
        self._reader = RecordReader()
        self._rows = 0
        self._empty_pages = 0
        self._seen: set[int] = set()
        self.number = 1
        self.followed: set[str] = set()

    def read(self, response: requests.Response) -> Page:
        """Read an answer and check it against the pages before.

        Raises:
            AnswerError: It is no page, or not the next one.
        """
        page = read_page(response.status_code, response.content, self._reader)
        if self.number == 1:
            self._arm.compare_clocks(response)
        elif page.status != OK:
            raise AnswerError(f"Azure answers with status {page.status} where there was a link to more", again=True)
        if page.ids and _records(page) in self._seen:
            raise AnswerError("the page has the same records as one before it")
        if page.next_link is None:
            if not page.ids and not self._rows:
                self._check_empty()
            return page
        self.followed.add(response.url)
        if page.next_link in self.followed:
            raise AnswerError("`nextLink` was followed before in the month")
        if self.number >= self._settings.max_pages:
            raise AnswerError(
                f"the month has more than `max_pages` ({self._settings.max_pages})",
                "raise `max_pages` if a month can be as long",
            )
        if not page.ids and self._empty_pages >= self._settings.max_empty_pages:
            raise AnswerError(f"more than `max_empty_pages` ({self._settings.max_empty_pages}) pages have no rows", ASK)
        return page

    def turn(self, page: Page) -> None:
        """Go on from a page to the next one."""
        self._rows += len(page.ids)
        self._empty_pages = 0 if page.ids else self._empty_pages + 1
        if page.ids:
            self._seen.add(_records(page))
        self.number += 1

    def _check_empty(self) -> None:
        doubt, self._doubt = self._doubt, False
        check_empty(self._query, doubt=doubt)


def _records(page: Page) -> int:
    """Return what tells the records of a page from those of another: their ids; different for a page without ids."""
    return hash(page.ids) if all(page.ids) else id(page)
