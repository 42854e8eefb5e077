"""The simulated Resource Manager as a server on loopback: routes, tokens, faults, and controls for tests.

A second port serves the files of reports, by SAS only, as a storage account would. The control endpoints below
`/sandbox/` need no token.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from sandbox.api.answers import Answer, html_answer, json_answer, retry_headers
from sandbox.arm import tokens
from sandbox.arm.faults import StagedFaults
from sandbox.arm.records import FORM, records
from sandbox.arm.reports import METRICS, period_of
from sandbox.loopback import LoopbackHandler, LoopbackServer

if TYPE_CHECKING:
    from sandbox.api.faults import Fault
    from sandbox.arm.bill import ScopedBill
    from sandbox.arm.reports import Report, Reports

_USAGE = re.compile(
    r"/(?P<scope>.+?)(?:/providers/Microsoft\.Billing/billingPeriods/(?P<period>\d{6}))?"
    r"/providers/Microsoft\.Consumption/usageDetails",
    re.IGNORECASE,
)
_REPORT = re.compile(r"/(?P<scope>.+)/providers/Microsoft\.CostManagement/generateCostDetailsReport", re.IGNORECASE)
_POLL = re.compile(
    r"/.+/providers/Microsoft\.CostManagement/costDetailsOperationResults/(?P<guid>[^/]+)", re.IGNORECASE
)
_BLOB = re.compile(r"/armreports/(?P<guid>[^/]+)/(?P<number>\d+)")
_FILTER = re.compile(
    r"properties/usageStart ge '(?P<first>\d{4}-\d\d-\d\d)' and properties/usageEnd le '(?P<last>\d{4}-\d\d-\d\d)'"
)
_NO_CONTENT = Answer(204, "", [])


@dataclass
class Desk:
    """Everything that the server knows.

    Attributes:
        bill: The charges.
        reports: The reports made of them.
        faults: The faults to come.
        seed: Decides which requests meet faults with a probability.
        page_size: The most records of a page.
        retry_after: Seconds that a client is asked to wait for a report.
        blobs_port: The port of the reports' files.
        requests: The requests so far.
    """

    bill: ScopedBill
    reports: Reports
    faults: StagedFaults
    seed: int
    page_size: int
    retry_after: int
    blobs_port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)


class ArmServer(LoopbackServer):
    """Serves a desk."""

    def __init__(self, port: int, desk: Desk) -> None:
        """Bind to loopback; port 0 takes a free one."""
        self.desk = desk
        super().__init__(port, Handler)


class Handler(LoopbackHandler):
    """Answers one connection."""

    server: ArmServer

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Answer pages of usageDetails, the state of reports, their files, and what tests ask."""
        address = urlsplit(self.path)
        path, desk = unquote(address.path), self.server.desk
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if path == "/sandbox/requests":
            self.send(json_answer(desk.requests))
        elif path == "/sandbox/served":
            self.send(json_answer(desk.bill.served()))
        elif found := _BLOB.fullmatch(path):
            self._answer("blob", path, desk.reports.made.get(found["guid"]), query, int(found["number"]))
        elif found := _POLL.fullmatch(path):
            self._answer("poll", path, desk.reports.made.get(found["guid"]), query)
        elif _USAGE.fullmatch(path):
            self._answer("usage", path, None, query)
        else:
            self.send(_error(404, "NotFound", f"There is nothing at {path}."))

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Make a report, or set the faults or a month's revision."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        address, desk = urlsplit(self.path), self.server.desk
        path = unquote(address.path)
        try:
            wish = json.loads(body or b"{}")
            if _REPORT.fullmatch(path):
                self._answer("report", path, None, wish)
                return
            if path == "/sandbox/faults":
                desk.faults = StagedFaults(wish, desk.seed)
            elif path == "/sandbox/revision":
                desk.bill.set_revision(wish["month"], int(wish["revision"]))
            else:
                self.send(_error(404, "NotFound", f"There is nothing at {path}."))
                return
        except (ValueError, KeyError, TypeError) as error:
            self.send(_error(400, "BadRequest", str(error)))
            return
        self.send(json_answer(wish))

    def do_DELETE(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Forget the requests so far."""
        self.server.desk.requests.clear()
        self.send(json_answer([]))

    def _answer(self, stage: str, path: str, report: Report | None, wish: dict[str, Any], number: int = 0) -> None:
        """Answer a request of a stage, as its fault has it; note it down without SAS and token."""
        desk = self.server.desk
        month = report.month if report is not None else self._month(path, wish)
        _, fault = desk.faults.take(stage, month)
        header = self.headers.get("Authorization", "")
        refusal = tokens.refusal(header) if stage != "blob" else None
        if fault is not None and fault.status is not None:
            answer = _xml_error(fault.status) if stage == "blob" else _error(fault.status, str(fault.status))
            answer.headers |= retry_headers(fault.argument)
        elif refusal is not None:
            answer = _error(401, *refusal)
            answer.headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{refusal[1]}"'
        elif fault is not None and fault.kind == "html":
            answer = html_answer()
        elif fault is not None and fault.kind == "nothing":
            answer = _NO_CONTENT
        elif stage == "blob":
            answer = self._blob(path, report, wish, number, fault)
        elif stage == "poll":
            answer = self._poll(report, fault)
        elif stage == "report":
            answer = self._report(path, wish)
        else:
            answer = self._usage(path, wish, fault)
        desk.requests.append({
            "stage": stage, "path": path, "month": month, "status": answer.status, "bearer": bool(header),
            "authorized": refusal is None, "fault": fault and fault.kind, "host": self.headers.get("Host"),
            "user_agent": self.headers.get("User-Agent"),
        })  # fmt: skip
        if fault is not None and fault.kind == "timeout":
            self.server.ended.wait(float(fault.argument))
        self.send(answer, fault.kind if fault is not None and answer.status == 200 else "")  # noqa: PLR2004 - the status OK

    def _month(self, path: str, wish: dict[str, Any]) -> str:
        """Return the month that a request is about, '' if it can't be told."""
        try:
            if _REPORT.fullmatch(path):
                bill = self.server.desk.bill
                return f"{period_of(wish, bill.account.agreement, bill.months[-1])[0]:%Y-%m}"
            return f"{self._dates(path, wish)[0]:%Y-%m}"
        except (ValueError, KeyError, TypeError):
            return ""

    def _dates(self, path: str, query: dict[str, str]) -> tuple[date, date]:
        """Return the first and the last day that a request for usageDetails names."""
        found, agreement = _USAGE.fullmatch(path), self.server.desk.bill.account.agreement
        period, filtered = found and found["period"], query.get("$filter")
        if agreement == "mca" and (period or filtered):
            raise ValueError("Billing periods and $filter are not supported for this scope; use startDate and endDate.")
        if period or not (filtered or query.get("startDate")):
            return period_of({"billingPeriod": period}, "ea", self.server.desk.bill.months[-1])
        if filtered:
            wanted = _FILTER.fullmatch(filtered)
            if wanted is None:
                raise ValueError("The $filter is invalid.")
            return date.fromisoformat(wanted["first"]), date.fromisoformat(wanted["last"])
        return date.fromisoformat(query["startDate"]), date.fromisoformat(query["endDate"])

    def _usage(self, path: str, query: dict[str, str], fault: Fault | None) -> Answer:
        """Return a page of usageDetails."""
        desk, found = self.server.desk, _USAGE.fullmatch(path)
        scope = found["scope"] if found else ""
        selected = desk.bill.scope(scope)
        metric = query.get("metric", "actualcost").lower()
        if selected is None:
            return _error(404, "NotFound", f"There is no scope {scope}.")
        if "api-version" not in query or metric not in METRICS:
            return _error(400, "BadRequest", "The api-version is missing, or the metric is not known.")
        try:
            first, last = self._dates(path, query)
            start, top = int(query.get("$skiptoken", "0")), min(int(query.get("$top", "1000")), desk.page_size)
        except (ValueError, KeyError) as error:
            return _error(400, "BadRequest", str(error))
        frame = desk.bill.frame(selected, METRICS[metric], first, last, FORM)
        if not frame.height:
            return _NO_CONTENT
        expanded = "meterdetails" in query.get("$expand", "").lower()
        page = records(frame[start : start + top], desk.bill.account.agreement, scope, start, expanded)
        kind, argument = (fault.kind, fault.argument) if fault is not None else ("", "")
        link = self._next_link(path, query, start + top, argument if kind == "nextlink" else "")
        tail = f',"nextLink":{json.dumps(link)}' if start + top < frame.height or kind == "nextlink" else ""
        return Answer(200, "application/json; charset=utf-8", [f'{{"value":[{",".join(page)}]{tail}}}'.encode()])

    def _next_link(self, path: str, query: dict[str, str], start: int, change: str) -> str:
        """Return the next page's URL on the host that the client used, or one that a careful client does not follow."""
        host, _, port = self.headers["Host"].partition(":")
        if change == "repeat":
            return f"http://{self.headers['Host']}{self.path}"
        scheme = "https" if change == "scheme" else "http"
        if change == "host":
            host = "localhost" if host != "localhost" else "127.0.0.1"
        elif change == "port":
            port = str(self.server.desk.blobs_port)
        place = quote(f"/other{path}" if change == "path" else path)
        return f"{scheme}://{host}:{port}{place}?{urlencode(query | {'$skiptoken': str(start)})}"

    def _report(self, path: str, body: dict[str, Any]) -> Answer:
        """Take the wish for a report."""
        desk, found = self.server.desk, _REPORT.fullmatch(path)
        scope = found["scope"] if found else ""
        selected = desk.bill.scope(scope)
        if selected is None:
            return _error(404, "NotFound", f"There is no scope {scope}.")
        try:
            report = desk.reports.make(scope, selected, body)
        except (ValueError, KeyError, TypeError) as error:
            return _error(400, "BadRequest", str(error))
        if not report.files and int(report.month[-2:]) % 2 == 0:
            return _NO_CONTENT
        return self._accepted(report)

    def _accepted(self, report: Report) -> Answer:
        path = f"{report.scope}/providers/Microsoft.CostManagement/costDetailsOperationResults/{report.guid}"
        location = f"http://{self.headers['Host']}/{quote(path)}?api-version=2025-03-01"
        return Answer(202, "", [], {"Location": location, "Retry-After": str(self.server.desk.retry_after)})

    def _poll(self, report: Report | None, fault: Fault | None) -> Answer:
        """Say whether a report is ready."""
        desk = self.server.desk
        if report is None:
            return _error(404, "NotFound", "There is no such operation.")
        if fault is not None and fault.kind == "again":
            return Answer(202, "", [])
        if report.polls_left > 0 and fault is None:
            report.polls_left -= 1
            return self._accepted(report)
        blobs_at = f"http://127.0.0.1:{desk.blobs_port}"
        return json_answer(desk.reports.result(report, blobs_at, fault.kind if fault is not None else ""))

    def _blob(
        self, path: str, report: Report | None, query: dict[str, str], number: int, fault: Fault | None
    ) -> Answer:
        """Return a file of a report to whoever has its SAS, and brings no token."""
        desk = self.server.desk
        if report is None or number >= len(report.files):
            return _xml_error(404)
        if self.headers.get("Authorization") or not desk.reports.opens(path, query):
            return _xml_error(403)
        if fault is not None and fault.kind == "redirect":
            return Answer(302, "", [], {"Location": f"http://localhost:{desk.blobs_port}{self.path}"})
        return Answer(200, "text/csv", [report.files[number]])


def _error(status: int, code: str, message: str = "") -> Answer:
    return json_answer({"error": {"code": code, "message": message or f"The request failed with {status}."}}, status)


def _xml_error(status: int) -> Answer:
    code = {403: "AuthenticationFailed", 404: "BlobNotFound"}.get(status, "ServerBusy")
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>Refused.</Message></Error>'
    return Answer(status, "application/xml", [text.encode()])
