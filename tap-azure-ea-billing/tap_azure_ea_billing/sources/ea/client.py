"""Requests to the EA reporting API: addresses, key, a month's pages; what an answer means is in `answers`.

How long an exchange and how large a body may be, and when a request is sent again, is in `sources/http`; what is known
of the pages before an answer in `walk`, what a person reads of an answer that is no page in `sentences`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase
from typing_extensions import override

from tap_azure_ea_billing import months
from tap_azure_ea_billing.sdk import RequestMetrics
from tap_azure_ea_billing.sources.ea import answers, kinds
from tap_azure_ea_billing.sources.ea.kinds import AnswerError, Handling
from tap_azure_ea_billing.sources.ea.sentences import no_answer, sentence
from tap_azure_ea_billing.sources.ea.walk import Walk
from tap_azure_ea_billing.sources.http.retries import PASSING, Retries, RunStoppedError, TryAgainError
from tap_azure_ea_billing.sources.http.session import MEGABYTE, BoundedSession
from tap_azure_ea_billing.sources.http.times import clocks_apart, retry_after

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Mapping
    from datetime import date

    from tap_azure_ea_billing.sources.ea.answers import Page
    from tap_azure_ea_billing.sources.ea.api_key import ApiKey
    from tap_azure_ea_billing.sources.ea.settings import EASettings
    from tap_azure_ea_billing.sources.source import Clock

_REPORT = "/usage-report/paginatedV3"


class _BearerKey(AuthBase):
    """Puts the key on a request."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"bearer {self._key.token}"
        return request


class EAClient:
    """A client of the EA reporting API.

    Args:
        settings: Address and bounds.
        keys: The key of each enrollment.
        clock: Tells the time, UTC.
        logger: Where tries that failed are reported.
    """

    def __init__(self, settings: EASettings, keys: Mapping[str, ApiKey], clock: Clock, logger: logging.Logger) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._retries = Retries(settings, logger)
        self._session = BoundedSession(settings.request_deadline, settings.max_body_mb * MEGABYTE)

    def pages(
        self,
        enrollment_number: str,
        month: date,
        *,
        rows_before: int = 0,
        doubt_empty: bool = False,
        in_columns: bool = False,
    ) -> Generator[Page, None, None]:
        """Yield the pages of a month in order; the last one is the month's end.

        Args:
            enrollment_number: Whose month.
            month: Its first day.
            rows_before: Rows that the month had and must not lose altogether, 0 if it may be empty.
            doubt_empty: Whether an empty month is asked for once more before it is believed.
            in_columns: Whether the rows are wanted in columns.

        Raises:
            RunStoppedError: An answer is neither a page nor an empty month, or none comes.
        """
        walk = Walk(
            enrollment_number=enrollment_number,
            month=months.label(month),
            first_url=self._first_url(enrollment_number),
            rows_before=rows_before,
            max_pages=self._settings.max_pages,
            max_empty_pages=self._settings.max_empty_pages,
            doubt_empty=doubt_empty and self._settings.max_retries > 0,
            in_columns=in_columns,
        )
        context = {"enrollment_number": enrollment_number, "billing_month": month.isoformat()}
        with RequestMetrics(f"/{{enrollment_number}}{_REPORT}", context) as metrics:
            link: str | None = None
            while True:
                page = self._page(walk, link, metrics)
                metrics.count()
                yield page
                link = walk.turn(page)
                if link is None:
                    return

    def ask(self, enrollment_number: str, month: str, link: str | None = None) -> requests.Response:
        """Send one request.

        Args:
            enrollment_number: Whose month.
            month: `YYYY-MM`.
            link: Link to the page; the month's first page by default.

        Raises:
            requests.RequestException: There is no whole answer within the bounds.
        """
        first: dict[str, Any] = {"month": month, "pageindex": 0, "fmt": "json"}
        return self._session.get(
            link or self._first_url(enrollment_number),
            params=None if link else first,
            headers={"Accept": "application/json", "User-Agent": self._settings.user_agent},
            auth=_BearerKey(self._keys[enrollment_number]),
            timeout=self._settings.request_timeout,
            allow_redirects=False,  # a redirect could lead the key elsewhere
        )

    def _first_url(self, enrollment_number: str) -> str:
        return f"{self._settings.api_url}/{enrollment_number}{_REPORT}"

    def _page(self, walk: Walk, link: str | None, metrics: RequestMetrics) -> Page:
        """Return a page, asking for it again as often as the settings allow."""
        return self._retries.call(lambda: self._try_page(walk, link, metrics))

    def _try_page(self, walk: Walk, link: str | None, metrics: RequestMetrics) -> Page:
        key = self._keys[walk.enrollment_number]
        try:
            response = self.ask(walk.enrollment_number, walk.month, link)
        except PASSING as error:
            raise TryAgainError(sentence(walk, key, self._clock(), no_answer(error))) from None
        except requests.RequestException as error:
            raise RunStoppedError(sentence(walk, key, self._clock(), no_answer(error))) from None
        metrics.answered(response.status_code, response.elapsed.total_seconds())
        try:
            page = answers.read_answer(
                response.status_code, response.content, first=walk.at_first_page, in_columns=walk.in_columns
            )
            if walk.at_first_page:
                self._compare_clocks(walk, key, response)
            walk.arrive(page, response.url)
        except AnswerError as error:
            message = sentence(walk, key, self._clock(), error, response)
            if error.kind.handling is Handling.RETRY:
                raise TryAgainError(message, retry_after(response, self._clock())) from None
            raise RunStoppedError(message) from None
        return page

    def _compare_clocks(self, walk: Walk, key: ApiKey, response: requests.Response) -> None:
        now = self._clock()
        apart = clocks_apart(response, now, self._settings.max_clock_skew)
        if apart is not None:
            raise RunStoppedError(sentence(walk, key, now, AnswerError(kinds.CLOCKS_DIFFER, apart)))
