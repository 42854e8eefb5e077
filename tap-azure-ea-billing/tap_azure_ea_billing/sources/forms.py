"""The forms that texts among the settings must have: each is a pattern, and what it is in words."""

from __future__ import annotations

ACCOUNT = r"^[A-Za-z0-9:_./-]+$"
CURRENCY = r"^[A-Z]{3}$"
USER_AGENT = r"^[\x20-\x7e]+$"
HOST = r"^[A-Za-z0-9.-]+$"
SCOPE = r"^[A-Za-z0-9:_.()/-]+$"
API_VERSION = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$"
FILE_PREFIX = r"^[^/]*$"

FORMS = {
    ACCOUNT: "a number like 88888888, or the id of a billing account, profile or scope",
    CURRENCY: "three capital letters like CNY",
    USER_AGENT: "printable ASCII characters",
    HOST: "the name of a host, without https:// and path",
    SCOPE: "a scope like subscriptions/ID or providers/Microsoft.Billing/billingAccounts/1234567",
    API_VERSION: "a date like 2025-03-01",
    FILE_PREFIX: "the beginning of a file's name, without /",
}
"""Each form in words, as they follow "must be"."""
