"""Requests to the EA reporting API: addresses, key, retries, a month's pages; what an answer means is in `answers`.

Sending, counting and repeating requests is singer-sdk's; this module fills in its hooks. How long an exchange and how
large a body may be is in `session`, what is known of the pages before an answer in `walk`.
"""

from __future__ import annotations

import math
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import backoff
import requests
from requests.auth import AuthBase
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams import RESTStream

from tap_azure_ea_billing import answers, kinds
from tap_azure_ea_billing.clocks import clocks_apart, retry_after
from tap_azure_ea_billing.kinds import AnswerError, Handling, Kind
from tap_azure_ea_billing.masking import KeyMask
from tap_azure_ea_billing.prefetch import prefetched
from tap_azure_ea_billing.session import MEGABYTE, BodyTooLargeError, BoundedSession, OverdueError
from tap_azure_ea_billing.walk import Walk

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator, Iterable, Mapping

    from backoff.types import Details
    from singer_sdk.streams.rest import HTTPRequest, PageContext
    from singer_sdk.tap_base import Tap

    from tap_azure_ea_billing.answers import Page
    from tap_azure_ea_billing.credentials import ApiKey
    from tap_azure_ea_billing.run import Run

_BODY_CHARACTERS_SHOWN = 120
_BODY_BYTES_LOOKED_AT = 4096
_FIRST_WAIT_SECONDS = 2
_NOT_TOLD_BY_STATUS = {kinds.HAD_ROWS}


class RunStoppedError(FatalAPIError):
    """An answer stops the run. The sentence says enrollment, month, page, status and what to do, never the key."""


class BearerKey(AuthBase):
    """Puts the key on a request."""

    def __init__(self, key: ApiKey) -> None:
        """Keep the key."""
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header that the API wants."""
        request.headers["Authorization"] = f"bearer {self._key.token}"
        return request


class NextLinkPaginator(BaseAPIPaginator[str | None]):
    """Follows `nextLink` as it came; the last page has none."""

    def __init__(self, next_link: Callable[[requests.Response], str | None]) -> None:
        """Start before the first page; `next_link` reads a page's link."""
        super().__init__(None)
        self._next_link = next_link

    def get_next(self, response: requests.Response) -> str | None:
        """Return the next page's URL."""
        return self._next_link(response)


class EABillingStream(RESTStream[str | None]):
    """A stream whose records are the pages of one month of one enrollment.

    The month is the context that `pages` is given: `enrollment_number` and `billing_month` (ISO date).
    """

    path = "/{enrollment_number}/usage-report/paginatedV3"
    allow_redirects = False  # a redirect could lead the key elsewhere

    def __init__(self, tap: Tap, run: Run) -> None:
        """Keep the run, whose settings and keys are not looked at before the first request."""
        super().__init__(tap)
        self.logger.addFilter(_is_ours)
        self._run = run
        self._walk: Walk

    def pages(self, context: Mapping[str, Any], rows_before: int, *, doubt_empty: bool) -> Generator[Page, None, None]:
        """Yield the pages of a month, fetched ahead as far as the settings say.

        Args:
            context: enrollment_number and billing_month.
            rows_before: rows that the month had and must not lose altogether, 0 if it may be empty.
            doubt_empty: whether an empty month is asked for once more before it is believed.

        Raises:
            RunStoppedError: if an answer is neither a page nor an empty month, or none comes.
        """
        # What `--test` leaves unread is not fetched either.
        depth = 0 if self.ABORT_AT_RECORD_COUNT is not None else self._run.settings.prefetch_pages
        return prefetched(self._fetch(context, rows_before, doubt_empty=doubt_empty), depth)

    def _fetch(self, context: Mapping[str, Any], rows_before: int, *, doubt_empty: bool) -> Generator[Page, None, None]:
        settings = self._run.settings
        self._walk = Walk(
            enrollment_number=context["enrollment_number"],
            month=context["billing_month"][:7],
            first_url=self.get_url(dict(context)),
            rows_before=rows_before,
            max_pages=settings.max_pages,
            max_empty_pages=settings.max_empty_pages,
            doubt_empty=doubt_empty and settings.max_retries > 0,
        )
        try:
            yield from self.request_records(dict(context))  # type: ignore[misc] # `parse_response` makes them pages
        except RetriableAPIError as error:
            raise RunStoppedError(self._gave_up(str(error))) from None
        except BodyTooLargeError as error:
            raise RunStoppedError(self._sentence(kinds.TOO_LARGE, str(error))) from None
        except (requests.RequestException, ConnectionError) as error:
            raise RunStoppedError(self._gave_up(self._sentence(*_no_answer(error)))) from None

    @property
    def requests_session(self) -> requests.Session:
        """The session of all requests."""
        return self._session

    @cached_property
    def _session(self) -> BoundedSession:
        settings = self._run.settings
        return BoundedSession(settings.request_deadline, settings.max_body_mb * MEGABYTE)

    @property
    def url_base(self) -> str:
        """Address of the API."""
        return self._run.settings.api_url

    @property
    def timeout(self) -> int:
        """Seconds to wait for the API to go on with an answer."""
        return math.ceil(self._run.settings.request_timeout)

    @property
    def authenticator(self) -> BearerKey:
        """The key of the enrollment in hand."""
        return BearerKey(self._key)

    @property
    def _key(self) -> ApiKey:
        return self._run.keys[self._walk.enrollment_number]

    def get_http_request(self, *, page: PageContext) -> HTTPRequest:
        """Ask for the month's first page by its address, for another by the link that the page before gave."""
        request = super().get_http_request(page=page)
        request.headers = {"Accept": "application/json", "User-Agent": self._run.settings.user_agent}
        if page.next_page_token is None:
            request.params = {"month": self._walk.month, "pageindex": 0, "fmt": "json"}
        else:
            request.url = page.next_page_token
            request.params = {}
        return request

    def validate_response(self, response: requests.Response) -> None:
        """Read the answer, so that one that is malformed is asked for again.

        Raises:
            RetriableAPIError: if the request is to be sent again.
            RunStoppedError: if the run stops.
        """
        try:
            page = answers.read_answer(response.status_code, response.content, first=self._walk.at_first_page)
            if self._walk.at_first_page:
                self._compare_clocks(response)
            self._walk.arrive(page, response.url)
        except AnswerError as error:
            sentence = self._sentence(error.kind, error.reason, response)
            if error.kind.handling is Handling.RETRY:
                raise RetriableAPIError(sentence, response) from None
            raise RunStoppedError(sentence) from None

    def _compare_clocks(self, response: requests.Response) -> None:
        received = self._run.clock()
        sent = received - timedelta(seconds=self._session.seconds)
        apart = clocks_apart(response, sent, received, self._run.settings.max_clock_skew)
        if apart is not None:
            raise RunStoppedError(self._sentence(kinds.CLOCKS_DIFFER, apart))

    def parse_response(self, response: requests.Response) -> Iterable[Any]:
        """Yield the page as the only record: for singer-sdk an answer without records is the last one."""
        del response  # was read by `validate_response`
        yield self._walk.page

    def get_new_paginator(self) -> NextLinkPaginator:
        """Return a paginator that follows the links of a month."""
        return NextLinkPaginator(lambda _response: self._walk.turn())

    def backoff_max_tries(self) -> int:
        """The first try and the retries."""
        return self._run.settings.max_retries + 1

    def backoff_wait_generator(self) -> Generator[float, Any, None]:
        """Yield the seconds until the next try: what Retry-After says, else twice as long each time."""
        longest = self._run.settings.max_backoff
        exponential = backoff.expo(factor=_FIRST_WAIT_SECONDS, max_value=longest)
        next(exponential)
        error = yield 0
        while True:
            wait = next(exponential)
            asked = retry_after(error.response, self._run.clock()) if isinstance(error, RetriableAPIError) else None
            error = yield wait if asked is None else min(asked, longest)

    def backoff_jitter(self, value: float) -> float:
        """Return the wait or up to half as long again, so that runs do not come back in step, and never too early."""
        return value + backoff.full_jitter(value / 2)

    def backoff_handler(self, details: Details) -> None:
        """Say why the request is sent again."""
        error = details.get("exception")
        reason = str(error) if isinstance(error, RetriableAPIError) else self._sentence(*_no_answer(error))
        self.logger.warning("Try %d failed, next in %.1f s: %s", details["tries"], details.get("wait", 0), reason)

    def _gave_up(self, sentence: str) -> str:
        return f"Gave up after {self.backoff_max_tries()} tries: {sentence}"

    def _sentence(self, kind: Kind, reason: str, response: requests.Response | None = None) -> str:
        """Return what happened, where, and what to do."""
        what, advice = reason, kind.advice
        mask = KeyMask(self._key.token)
        if response is not None:
            what = f"unexpected answer with status {response.status_code}"
            if kind in {kinds.UNAUTHORIZED, kinds.FORBIDDEN}:
                what = f"the API refused the key with status {response.status_code}"
                advice = self._key.refusal(self._run.clock())
            elif response.status_code == requests.codes.ok or kind in _NOT_TOLD_BY_STATUS:
                what += f" ({kind.when.removeprefix('200, ')}{f': {reason}' if reason else ''})"
            if response.content:
                what += f", body begins {_beginning(response.content, mask)}"
        where = f"Enrollment {self._walk.enrollment_number}, month {self._walk.month}, page {self._walk.page_number}"
        return mask.hide(f"{where}: {what}: {advice}.")


def _beginning(body: bytes, mask: KeyMask) -> str:
    """Return what a person sees of a body: hidden before it is cut, since a part of a key is told from a whole one."""
    shown = mask.hide(body[:_BODY_BYTES_LOOKED_AT].decode("utf-8-sig", "replace"))
    return repr(" ".join(shown[:_BODY_CHARACTERS_SHOWN].split()))


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what the library `backoff` says of each try: `backoff_handler` and the last error say it better."""
    return not str(record.msg).startswith(("Backing off", "Giving up"))


def _no_answer(error: BaseException | None) -> tuple[Kind, str]:
    """Return the kind and the reason of an exchange without an answer."""
    if isinstance(error, OverdueError):
        return kinds.OVERDUE, str(error)
    return kinds.NO_ANSWER, _network_reason(error)


def _network_reason(error: BaseException | None) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no trusted TLS connection"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "the answer broke off"
    return "the connection failed or broke off"
