"""Cost Details reports: what a client asks for, how long it waits, and the manifest and files that it then finds."""

from __future__ import annotations

import calendar
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sandbox.bill import columns
from sandbox.bill.forms import Form
from sandbox.exports.files import parts_of, with_columns_of

if TYPE_CHECKING:
    from sandbox.arm.bill import ScopedBill

FORMS = {"ea": Form(braces=False), "mca": Form()}
METRICS = {"actualcost": "actual", "amortizedcost": "amortized"}

_MONTH = re.compile(r"(?P<year>\d{4})(?P<month>0[1-9]|1[0-2])")
_LONGEST_DAYS = 31
_LINK_SECONDS = 3600


@dataclass
class Report:
    """One report.

    Attributes:
        guid: Its id, which is the operation's.
        scope: The path it was asked for.
        body: What was asked.
        month: The first month in it, `YYYY-MM`.
        files: Its CSV files.
        polls_left: How often its state is still asked in vain.
    """

    guid: str
    scope: str
    body: dict[str, Any]
    month: str
    files: list[bytes]
    polls_left: int


def period_of(body: dict[str, Any], agreement: str, open_month: str) -> tuple[date, date]:
    """Return the first and the last day that a request names.

    Raises:
        ValueError: With the sentence that Azure answers.
    """
    named = [name for name in ("billingPeriod", "timePeriod", "invoiceId") if body.get(name)]
    if len(named) > 1:
        raise ValueError("The request can only have either timePeriod or invoiceId or billingPeriod.")
    if body.get("invoiceId"):
        raise ValueError("The invoiceId is not found.")
    if body.get("timePeriod"):
        first, last = (date.fromisoformat(body["timePeriod"][name]) for name in ("start", "end"))
        if first > last:
            raise ValueError("Start date must be before the end date.")
        if (last - first).days >= _LONGEST_DAYS:
            raise ValueError("The maximum allowed date range is 1 months.")
        return first, last
    if body.get("billingPeriod") and agreement == "mca":
        raise ValueError("The billingPeriod is supported for Enterprise Agreement only.")
    found = _MONTH.fullmatch(body.get("billingPeriod") or open_month.replace("-", ""))
    if found is None:
        raise ValueError("The billingPeriod must be of the form YYYYMM.")
    first = date(int(found["year"]), int(found["month"]), 1)
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


@dataclass
class Reports:
    """The reports of one bill.

    Attributes:
        bill: What they are made from.
        polls: How often the state of each is asked in vain.
        parts: The files of each.
        made: The reports by id.
    """

    bill: ScopedBill
    polls: int
    parts: int
    made: dict[str, Report] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def make(self, scope: str, selected: tuple[str, str], body: dict[str, Any]) -> Report:
        """Make a report of what was asked for; it has no files if there are no charges.

        Raises:
            ValueError: With the sentence that Azure answers.
        """
        agreement = self.bill.account.agreement
        first, last = period_of(body, agreement, self.bill.months[-1])
        metric = str(body.get("metric") or "ActualCost").lower()
        if metric not in METRICS:
            raise ValueError("The metric must be ActualCost or AmortizedCost.")
        frame = self.bill.frame(selected, METRICS[metric], first, last, FORMS[agreement])
        names = columns.columns(agreement, columns.NEWEST[agreement])
        files = []
        if frame.height:
            table = with_columns_of(frame, names)
            files = [table[part].write_csv(include_bom=True).encode() for part in parts_of(table.height, self.parts)]
        report = Report(str(uuid4()), scope, body, f"{first:%Y-%m}", files, self.polls)
        self.made[report.guid] = report
        return report

    def result(self, report: Report, blobs_at: str, kind: str = "") -> dict[str, Any]:
        """Return the answer that says that a report is ready.

        Args:
            report: The report.
            blobs_at: Scheme, host and port of its files.
            kind: What is wrong, of `sandbox.arm.faults.KINDS`.
        """
        identity = f"/{report.scope}/providers/Microsoft.CostManagement/costDetailsOperationResults/{report.guid}"
        head = {"id": identity, "name": report.guid}
        if kind == "failed":
            error = {"code": "InternalServerError", "message": "The report could not be made."}
            return head | {"status": "Failed", "error": error}
        if kind == "nodata" or (not report.files and int(report.month[-2:]) % 2):
            return head | {"status": "NoDataFound"}
        seconds = -60 if kind == "expired" else _LINK_SECONDS
        blobs: list[dict[str, Any]] = []
        for number, content in enumerate(report.files):
            link = f"{blobs_at}{self.link(report.guid, number, seconds)}"
            odd = kind == "bytecount" and number == len(report.files) - 1
            blobs.append({"blobLink": link, "byteCount": len(content) + odd})
        if kind == "noblobs":
            blobs.clear()
        valid_till = datetime.now(UTC) + timedelta(seconds=seconds)
        manifest = {
            "manifestVersion": "2025-03-01",
            "dataFormat": "Csv",
            "blobCount": len(blobs) + (kind == "blobcount"),
            "byteCount": sum(blob["byteCount"] for blob in blobs),
            "compressData": False,
            "requestContext": {"requestScope": report.scope, "requestBody": report.body},
            "blobs": blobs,
        }
        return head | {"status": "Completed", "manifest": manifest, "validTill": f"{valid_till:%Y-%m-%dT%H:%M:%S.%f}0Z"}

    def link(self, guid: str, number: int, seconds: float) -> str:
        """Return the path and SAS of a file."""
        path, expiry = f"/armreports/{guid}/{number}", str(int(time.time() + seconds))
        return f"{path}?sv=2020-05-31&sr=b&sp=r&se={expiry}&sig={self._signature(path, expiry)}"

    def opens(self, path: str, query: dict[str, str]) -> bool:
        """Return whether a SAS opens a file."""
        expiry = query.get("se", "0")
        good = hmac.compare_digest(query.get("sig", ""), self._signature(path, expiry))
        return good and float(expiry) > time.time()

    def _signature(self, path: str, expiry: str) -> str:
        return hmac.new(self._secret, f"{path} {expiry}".encode(), sha256).hexdigest()
