"""What a person reads of an answer that is no page: enrollment, month, page, what came, what to do, never the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tap_azure_ea_billing.sources.ea import kinds
from tap_azure_ea_billing.sources.ea.kinds import AnswerError
from tap_azure_ea_billing.sources.http.retries import network_reason
from tap_azure_ea_billing.sources.http.session import BodyTooLargeError, OverdueError
from tap_azure_ea_billing.sources.secrets.masking import KeyMask

if TYPE_CHECKING:
    from datetime import datetime

    from tap_azure_ea_billing.sources.ea.api_key import ApiKey
    from tap_azure_ea_billing.sources.ea.walk import Walk

_BODY_CHARACTERS_SHOWN = 120
_BODY_BYTES_LOOKED_AT = 4096


def sentence(
    walk: Walk, key: ApiKey, now: datetime, error: AnswerError, response: requests.Response | None = None
) -> str:
    """Return what happened, where, and what to do.

    Args:
        walk: The month and page that were asked for.
        key: The key that was sent.
        now: The time.
        error: What is wrong with the answer.
        response: The answer, if there is one to be shown.
    """
    kind, reason = error.kind, error.reason
    what, advice = reason, kind.advice
    mask = KeyMask(key.token)
    if response is not None:
        what = f"unexpected answer with status {response.status_code}"
        if kind in {kinds.UNAUTHORIZED, kinds.FORBIDDEN}:
            what = f"the API refused the key with status {response.status_code}"
            advice = key.refusal(now)
        elif response.status_code == requests.codes.ok or kind is kinds.HAD_ROWS:  # the status alone does not say it
            what += f" ({kind.when.removeprefix('200, ')}{f': {reason}' if reason else ''})"
        if response.content:
            what += f", body begins {_beginning(response.content, mask)}"
    where = f"Enrollment {walk.enrollment_number}, month {walk.month}, page {walk.page_number}"
    return mask.hide(f"{where}: {what}: {advice}.")


def no_answer(error: Exception) -> AnswerError:
    """Return what is wrong where an exchange ended without an answer."""
    if isinstance(error, BodyTooLargeError):
        return AnswerError(kinds.TOO_LARGE, str(error))
    if isinstance(error, OverdueError):
        return AnswerError(kinds.OVERDUE, str(error))
    return AnswerError(kinds.NO_ANSWER, network_reason(error))


def _beginning(body: bytes, mask: KeyMask) -> str:
    """Return what a person sees of a body: hidden before it is cut, since a cut key is harder to recognise."""
    shown = mask.hide(body[:_BODY_BYTES_LOOKED_AT].decode("utf-8-sig", "replace"))
    return repr(" ".join(shown[:_BODY_CHARACTERS_SHOWN].split()))
