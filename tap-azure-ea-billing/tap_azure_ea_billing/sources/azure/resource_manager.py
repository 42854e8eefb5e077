"""Requests to Azure Resource Manager: token, retries, and what an answer's status means; its body is the caller's.

The token goes to the host of `arm_url` and nowhere else: a link that an answer gives is followed only there, redirects
never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from requests.auth import AuthBase
from typing_extensions import override

from tap_azure_ea_billing import months
from tap_azure_ea_billing.sources.azure.answers import AnswerError, describe, hidden
from tap_azure_ea_billing.sources.azure.tokens import Tokens
from tap_azure_ea_billing.sources.http.addresses import Address, address
from tap_azure_ea_billing.sources.http.retries import PASSING, Retries, RunStoppedError, TryAgainError, network_reason
from tap_azure_ea_billing.sources.http.session import MEGABYTE, BodyTooLargeError, BoundedSession, OverdueError
from tap_azure_ea_billing.sources.http.times import clocks_apart, retry_after
from tap_azure_ea_billing.sources.source import DATASETS

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping
    from datetime import date

    from tap_azure_ea_billing.sdk import RequestMetrics
    from tap_azure_ea_billing.sources.azure.scopes import ArmSettings
    from tap_azure_ea_billing.sources.source import Clock

T = TypeVar("T")

_GOOD = {requests.codes.ok, requests.codes.accepted, requests.codes.no_content}
_PASSING_STATUSES = {requests.codes.request_timeout, requests.codes.too_many_requests}
_SERVER_ERRORS = 500
_LINK_SHOWN = 100
_NETWORK = "check the network, `cloud` and `arm_url`"
_SCOPE = "check `enrollment_number`, `scope` and `agreement`"
_ROLE = (
    "give the identity a role that may read the costs of the scope (Cost Management Reader; of an EA enrollment, "
    "Enrollment Reader)"
)


@dataclass(frozen=True)
class Purpose:
    """What a request is for, as an error says it.

    Attributes:
        enrollment_number: Whose month.
        dataset: Which of its bills.
        month: Its first day.
        part: What of the month, such as `page 2`.
    """

    enrollment_number: str
    dataset: str
    month: date
    part: str = ""

    def __str__(self) -> str:
        """Return it in words that a colon can follow."""
        dataset = f" ({self.dataset})" if self.dataset != DATASETS[0] else ""
        part = f", {self.part}" if self.part else ""
        return f"Enrollment {self.enrollment_number}{dataset}, month {months.label(self.month)}{part}"


class _Bearer(AuthBase):
    """Puts a token on a request."""

    def __init__(self, token: str) -> None:
        self._token = token

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class ResourceManager:
    """A client of Azure Resource Manager.

    Args:
        settings: Hosts, signing in, bounds.
        clock: Tells the time, UTC.
        logger: Where tries that failed are reported.

    Raises:
        CredentialError: It is not said how to sign in.
    """

    def __init__(self, settings: ArmSettings, clock: Clock, logger: logging.Logger) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = Tokens(settings, logger)
        self._retries = Retries(settings, logger)
        self._session = BoundedSession(settings.request_deadline, settings.max_body_mb * MEGABYTE)
        self.url = settings.chosen_cloud().arm_url

    @property
    def address(self) -> Address:
        """The one address that tokens are sent to."""
        found = address(self.url)
        assert found is not None, self.url  # noqa: S101 - `CloudSettings` takes no other
        return found

    def ask(
        self,
        url: str,
        read: Callable[[requests.Response], T],
        purpose: Purpose,
        metrics: RequestMetrics,
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """Send a request as often as the settings allow; return what was read of the answer.

        Args:
            url: Address with all parameters.
            read: Reads an answer with status 200, 202 or 204; raises `AnswerError` if it can't.
            purpose: What it is for.
            metrics: Where the answer is counted.
            body: JSON to POST; a GET without it.

        Raises:
            RunStoppedError: There is no answer that can be read.
            NoTokenError: There is no token.
        """
        return self.repeat(lambda: self._answer(url, body, read, metrics), purpose)

    def repeat(self, exchange: Callable[[], T], purpose: Purpose, unreachable: str = _NETWORK) -> T:
        """Do something as often as the settings allow, while it fails with what may pass; likewise for other hosts.

        Args:
            exchange: Raises `AnswerError`, `TryAgainError` or what requests raises.
            purpose: What it is for.
            unreachable: What to do where there is no answer, in words that follow a colon.

        Raises:
            RunStoppedError: It failed.
        """

        def once() -> T:
            try:
                return exchange()
            except AnswerError as error:
                if not error.again:
                    raise RunStoppedError(self._sentence(purpose, error.reason, error.advice)) from None
                raise TryAgainError(self._sentence(purpose, error.reason, error.advice), error.wait) from None
            except (BodyTooLargeError, OverdueError) as error:
                setting = "max_body_mb" if isinstance(error, BodyTooLargeError) else "request_deadline"
                sentence = self._sentence(purpose, str(error), f"raise `{setting}` if an answer can be so")
                if isinstance(error, OverdueError):
                    raise TryAgainError(sentence) from None
                raise RunStoppedError(sentence) from None
            except (requests.RequestException, *PASSING) as error:
                sentence = self._sentence(purpose, network_reason(error), unreachable)
                if isinstance(error, PASSING):
                    raise TryAgainError(sentence) from None
                raise RunStoppedError(sentence) from None

        return self._retries.call(once)

    def stop(self, purpose: Purpose, error: AnswerError) -> RunStoppedError:
        """Return the error that says in one sentence what is wrong with an answer."""
        return RunStoppedError(self._sentence(purpose, error.reason, error.advice))

    def compare_clocks(self, response: requests.Response) -> None:
        """Compare this machine's clock with the one of an answer, before anything of a month was written.

        Raises:
            AnswerError: They differ by too much.
        """
        apart = clocks_apart(response, self._clock(), self._settings.max_clock_skew)
        if apart is not None:
            raise AnswerError(
                apart, "correct this machine's clock, or raise `max_clock_skew` if it is Azure's that is wrong"
            )

    def wait_asked(self, response: requests.Response) -> float | None:
        """Return the seconds that an answer asks to wait, None if it does not."""
        return retry_after(response, self._clock())

    def _answer(
        self,
        url: str,
        body: Mapping[str, Any] | None,
        read: Callable[[requests.Response], T],
        metrics: RequestMetrics,
    ) -> T:
        found = address(url)
        if found is None or found[:3] != self.address[:3]:
            raise AnswerError(
                f"a link leads to another host than `arm_url`, {url.partition('?')[0][:_LINK_SHOWN]!r}",
                "check `arm_url`, and that nobody stands between you and Azure",
            )
        token = self._tokens.current()
        response = self._send(url, body, token)
        metrics.answered(response.status_code, response.elapsed.total_seconds())
        if response.status_code == requests.codes.unauthorized and (other := self._tokens.renewed(token)):
            response = self._send(url, body, other)
            metrics.answered(response.status_code, response.elapsed.total_seconds())
        self._check_status(response)
        return read(response)

    def _send(self, url: str, body: Mapping[str, Any] | None, token: str) -> requests.Response:
        return self._session.request(
            "GET" if body is None else "POST",
            url,
            json=body,
            headers={"Accept": "application/json", "User-Agent": self._settings.user_agent},
            auth=_Bearer(token),
            timeout=self._settings.request_timeout,
            allow_redirects=False,  # a redirect could lead the token elsewhere
        )

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status in _GOOD:
            return
        said = describe(status, response.content, self._tokens.secrets())
        if status == requests.codes.unauthorized:
            raise AnswerError(f"Azure refused the token with {said}", self._tokens.advice)
        if status == requests.codes.forbidden:
            raise AnswerError(f"Azure refused access with {said}", _ROLE)
        if status in _PASSING_STATUSES or status >= _SERVER_ERRORS:
            raise AnswerError(f"Azure answers with {said}", again=True, wait=self.wait_asked(response))
        raise AnswerError(f"Azure answers with {said}", _SCOPE)

    def _sentence(self, purpose: Purpose, reason: str, advice: str) -> str:
        return f"{purpose}: {hidden(reason, self._tokens.secrets())}: {advice}."
