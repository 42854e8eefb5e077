"""Requests to the EA reporting API: addresses, key, retries, a month's pages; what an answer means is in `answers`.

Sending, counting and repeating requests is singer-sdk's; this module fills in its hooks.
"""

from __future__ import annotations

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import backoff
import requests
from requests.auth import AuthBase
from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams import RESTStream

from tap_azure_ea_billing import answers
from tap_azure_ea_billing.answers import AnswerError, Handling, Kind, Page
from tap_azure_ea_billing.prefetch import prefetched

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator, Iterable, Mapping
    from datetime import datetime

    from backoff.types import Details
    from singer_sdk.streams.rest import HTTPRequest, PageContext
    from singer_sdk.tap_base import Tap

    from tap_azure_ea_billing.credentials import ApiKey
    from tap_azure_ea_billing.run import Run

_BODY_CHARACTERS_SHOWN = 120
_KEY_LIKE = re.compile(r"eyJ[\w.-]{8,}")  # any JWT, or a part of one: an API may repeat what it was sent
_FIRST_WAIT_SECONDS = 2


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
        self._month: Mapping[str, Any] = {}
        self._page_number = 1
        self._page: Page | None = None
        self._followed: set[str] = set()

    def pages(self, context: Mapping[str, Any]) -> Generator[Page, None, None]:
        """Yield the pages of a month, fetched ahead as far as the settings say.

        Raises:
            RunStoppedError: if an answer is neither a page nor an empty month, or none comes.
        """
        # What `--test` leaves unread is not fetched either.
        depth = 0 if self.ABORT_AT_RECORD_COUNT is not None else self._run.settings.prefetch_pages
        return prefetched(self._fetch(context), depth)

    def _fetch(self, context: Mapping[str, Any]) -> Generator[Page, None, None]:
        self._month = context
        self._page_number = 1
        self._followed = set()
        try:
            yield from self.request_records(dict(context))  # type: ignore[misc] # `parse_response` makes them pages
        except RetriableAPIError as error:
            raise RunStoppedError(self._gave_up(str(error))) from None
        except (requests.RequestException, ConnectionError) as error:
            raise RunStoppedError(self._gave_up(self._sentence(answers.NO_ANSWER, _network_reason(error)))) from None

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
        return self._run.keys[self._month["enrollment_number"]]

    def get_http_request(self, *, page: PageContext) -> HTTPRequest:
        """Ask for the month's first page by its address, for another by the link that the page before gave."""
        request = super().get_http_request(page=page)
        request.headers = {"Accept": "application/json", "User-Agent": self._run.settings.user_agent}
        if page.next_page_token is None:
            request.params = {"month": self._month["billing_month"][:7], "pageindex": 0, "fmt": "json"}
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
            page = answers.read_answer(response.status_code, response.content, first=self._page_number == 1)
            self._followed.add(response.url)
            if page.next_link is not None:
                answers.check_next_link(page.next_link, self._run.settings.api_url, self._followed)
        except AnswerError as error:
            sentence = self._sentence(error.kind, error.reason, response)
            if error.kind.handling is Handling.RETRY:
                raise RetriableAPIError(sentence, response) from None
            raise RunStoppedError(sentence) from None
        self._page = page

    def parse_response(self, response: requests.Response) -> Iterable[Any]:
        """Yield the page as the only record: for singer-sdk an answer without records is the last one."""
        del response  # was read by `validate_response`
        yield self._page

    def get_new_paginator(self) -> NextLinkPaginator:
        """Return a paginator that follows the links of a month."""
        return NextLinkPaginator(self._turn_page)

    def _turn_page(self, _response: requests.Response) -> str | None:
        link = self._page.next_link if self._page else None
        if link is not None:
            self._followed.add(link)  # as it came; `response.url` is what requests made of it
            self._page_number += 1
        return link

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
        network = None if isinstance(error, RetriableAPIError) else _network_reason(error)
        reason = str(error) if network is None else self._sentence(answers.NO_ANSWER, network)
        self.logger.warning("Try %d failed, next in %.1f s: %s", details["tries"], details.get("wait", 0), reason)

    def _gave_up(self, sentence: str) -> str:
        return f"Gave up after {self.backoff_max_tries()} tries: {sentence}"

    def _sentence(self, kind: Kind, reason: str, response: requests.Response | None = None) -> str:
        """Return what happened, where, and what to do."""
        number, month = self._month["enrollment_number"], self._month["billing_month"][:7]
        what, advice = reason, kind.advice
        if response is not None:
            what = f"unexpected answer with status {response.status_code}"
            if kind in {answers.UNAUTHORIZED, answers.FORBIDDEN}:
                what = f"the API refused the key with status {response.status_code}"
                advice = self._key.refusal(self._run.clock())
            elif response.status_code == requests.codes.ok:
                what += f" ({kind.when.removeprefix('200, ')}{f': {reason}' if reason else ''})"
            if response.content:
                what += f", body begins {self._beginning(response)}"
        where = f"Enrollment {number}, month {month}, page {self._page_number}"
        return self._without_key(f"{where}: {what}: {advice}.")

    def _beginning(self, response: requests.Response) -> str:
        shown = self._without_key(response.content.decode("utf-8-sig", "replace"))[:_BODY_CHARACTERS_SHOWN]
        return repr(" ".join(shown.split()))

    def _without_key(self, text: str) -> str:
        return _KEY_LIKE.sub("(key)", text.replace(self._key.token, "(key)"))


def retry_after(response: requests.Response | None, now: datetime) -> float | None:
    """Return the seconds that the API asks to wait, given as seconds or as a date; None if it does not."""
    value = response.headers.get("Retry-After", "").strip() if response is not None else ""
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:  # the zone `-0000`
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what the library `backoff` says of each try: `backoff_handler` and the last error say it better."""
    return not str(record.msg).startswith(("Backing off", "Giving up"))


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
