"""Sending a request again: after what, after which wait, how often, and what is said when it was in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import backoff
import requests

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator

    from backoff.types import Details

    from tap_azure_ea_billing.sources.settings import RequestSettings

T = TypeVar("T")

PASSING = (
    ConnectionError,
    requests.Timeout,
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""Failures of the network, after which the same request may succeed."""
_FIRST_WAIT_SECONDS = 2


class RunStoppedError(OperatorError):
    """An answer stops the run. The sentence says enrollment, month, status and what to do, never a secret."""


class TryAgainError(Exception):
    """The request is to be sent again; the message is what the operator reads.

    Attributes:
        wait: Seconds that the API asks to wait, None if it does not.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Retries:
    """Tries as often as the settings allow.

    Args:
        settings: How often, and the longest wait.
        logger: Where tries that failed are reported.
    """

    def __init__(self, settings: RequestSettings, logger: logging.Logger) -> None:
        self._tries = settings.max_retries + 1
        self._longest = settings.max_backoff
        self._logger = logger

    def call(self, function: Callable[[], T]) -> T:
        """Call a function until it does not raise `TryAgainError`.

        Raises:
            RunStoppedError: It always did.
        """
        repeated = backoff.on_exception(
            self._waits,
            TryAgainError,
            max_tries=self._tries,
            jitter=_never_too_early,
            on_backoff=self._report_try,
            logger=None,  # `_report_try` and the last error say it better
        )
        try:
            return repeated(function)()
        except TryAgainError as error:
            message = f"Gave up after {counted(self._tries, 'attempt')}: {error}"
            raise RunStoppedError(message) from None

    def _waits(self) -> Generator[float, Any, None]:
        """Yield the seconds until the next try: what Retry-After says, else twice as long each time."""
        exponential = backoff.expo(factor=_FIRST_WAIT_SECONDS, max_value=self._longest)
        next(exponential)
        error = yield 0
        while True:
            wait = next(exponential)
            error = yield wait if error.wait is None else min(error.wait, self._longest)

    def _report_try(self, details: Details) -> None:
        self._logger.warning(
            "Try %d failed, next in %.1f s: %s", details["tries"], details.get("wait", 0), details.get("exception")
        )


def network_reason(error: Exception) -> str:
    """Return why an exchange ended without an answer, without the address, which may hold a secret."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no trusted TLS connection"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "the answer broke off"
    return "the connection failed or broke off"


def _never_too_early(wait: float) -> float:
    """Return the wait or up to half as long again, so that runs do not come back in step."""
    return wait + backoff.full_jitter(wait / 2)
