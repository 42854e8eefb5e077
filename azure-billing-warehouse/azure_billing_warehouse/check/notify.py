"""Sends the verdict of `check` to a webhook; what became of it changes nothing of the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import urllib3

if TYPE_CHECKING:
    from azure_billing_warehouse.check.verdict import CheckResult

_SECONDS = 10.0
_SUCCESS = range(200, 300)


def post_verdict(url: str, verdict: CheckResult) -> str | None:
    """Send the verdict as JSON.

    Args:
        url: Address of the receiver; since its path may be a secret, no sentence has more of it than the host.
        verdict: What is sent.

    Returns:
        Why it did not arrive, None if it did.
    """
    try:
        address = urllib3.util.parse_url(url)
        if address.scheme not in {"http", "https"} or not address.host:
            return "the verdict was not sent: the address to notify is no http:// or https:// URL"
        answer = urllib3.PoolManager().request(
            "POST",
            url,
            body=verdict.model_dump_json().encode(),
            headers={"Content-Type": "application/json"},
            timeout=_SECONDS,
            retries=False,
            redirect=False,
        )
    except urllib3.exceptions.LocationParseError:
        return "the verdict was not sent: the address to notify is no http:// or https:// URL"
    except urllib3.exceptions.HTTPError as error:
        return f"the verdict did not reach {address.host}: {type(error).__name__}"
    return None if answer.status in _SUCCESS else f"{address.host} answered the verdict with status {answer.status}"
