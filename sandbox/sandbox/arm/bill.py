"""The charges that the simulated Resource Manager answers from: those of the exports of the same account and seed."""

from __future__ import annotations

import re
import threading
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from sandbox.bill.charges import DATASETS, Charges, whole_month
from sandbox.bill.columns import DATES, NUMBERS, TEXTS
from sandbox.bill.forms import EXACT_COST, Form

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sandbox.bill.charged import Account

FINAL_REVISION = 5
"""What months have that nobody has revised: the revision of the exports' run `+5`."""

_ACCOUNT = re.compile(
    r"/?providers/Microsoft\.Billing/billingAccounts/(?P<account>[^/]+)"
    r"(?:/billingProfiles/(?P<billingProfileId>[^/]+)|/invoiceSections/(?P<invoiceSectionId>[^/]+))?",
    re.IGNORECASE,
)
_SUBSCRIPTION = re.compile(r"/?subscriptions/(?P<subscriptionId>[^/]+)", re.IGNORECASE)
_KEPT_FRAMES = 8


class ScopedBill:
    """The charges of one account, whole or of a scope within it.

    Args:
        account: Whose they are.
        seed: Another seed is another bill.
        rows: Rows of usage in a whole month.
        months: The months that have any, `YYYY-MM`.
    """

    def __init__(self, account: Account, seed: int, rows: int, months: Sequence[str]) -> None:
        """Draw the estate."""
        self.account = account
        self.months = tuple(months)
        self._charges = Charges(account, seed, rows)
        self._revisions: dict[str, int] = {}
        self._lock = threading.Lock()
        self._frame = lru_cache(maxsize=_KEPT_FRAMES)(self._make)

    def set_revision(self, month: str, revision: int) -> None:
        """Answer with another revision of a month from now on.

        Raises:
            ValueError: There is no such month.
        """
        if month not in self.months or revision < 0:
            raise ValueError(f"There is no month {month} that can have revision {revision}.")
        self._revisions[month] = revision

    def scope(self, path: str) -> tuple[str, str] | None:
        """Return the field and the value that a scope selects by, ('', '') for all, None for one of somebody else."""
        if found := _SUBSCRIPTION.fullmatch(path):
            return "subscriptionId", found["subscriptionId"].lower()
        found = _ACCOUNT.fullmatch(path)
        if found is None or found["account"].lower() != self.account.number.lower():
            return None
        for field in ("billingProfileId", "invoiceSectionId"):
            if found[field]:
                return field, found[field]
        return "", ""

    def frame(self, scope: tuple[str, str], dataset: str, first: date, last: date, form: Form) -> pl.DataFrame:
        """Return the charges of a scope between two dates, both included: all fields and `EXACT_COST`.

        Their dates have the form's format, by which they are selected.
        """
        names = [name for name in self.months if f"{first:%Y-%m}" <= name <= f"{last:%Y-%m}"]
        frames = []
        for name in names:
            with self._lock:
                frame = self._frame(name, self._revisions.get(name, FINAL_REVISION), dataset, form)
            if scope[0]:
                frame = frame.filter(pl.col(scope[0]) == scope[1])
            frames.append(frame)
        if not frames:
            return self._make("2026-01", 0, dataset, form).clear()
        whole = pl.concat(frames)
        wanted = {form.date(first + timedelta(days=number)) for number in range((last - first).days + 1)}
        return whole.filter(pl.col("date").is_in(sorted(cast("set[str]", wanted))))

    def served(self) -> dict[str, dict[str, Any]]:
        """Return rows and exact cost (decimal text) by dataset and month, as they are now."""
        form = Form()
        found: dict[str, dict[str, Any]] = {}
        for dataset in DATASETS:
            found[dataset] = {}
            for name in self.months:
                month = whole_month(name)
                frame = self.frame(("", ""), dataset, month.first, month.last, form)
                cost = cast("Decimal", frame[EXACT_COST].sum())
                found[dataset][name] = {"rows": frame.height, "cost": f"{cost.normalize():f}"}
        return found

    def _make(self, name: str, revision: int, dataset: str, form: Form) -> pl.DataFrame:
        month = whole_month(name, revision)
        fields = (*TEXTS, *NUMBERS, *DATES)
        usage = self._charges.usage(month, dataset, self._charges.usage_numbers(month), fields, form)
        return pl.concat([usage, self._charges.others(month, dataset, fields, form)])
