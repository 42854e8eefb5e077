"""The simulated EA reporting API as an HTTP/1.1 server on loopback: routes, keys, faults, and controls for tests.

Rows come from the bills, bodies from `answers`; the control endpoints below `/sandbox/` need no key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from sandbox.api import keys
from sandbox.api.answers import (
    Answer,
    csv_rows_answer,
    empty_month_answer,
    error_answer,
    html_answer,
    json_answer,
    no_content_answer,
    nothing_answer,
    page_answer,
    throttled_answer,
)
from sandbox.api.faults import LINK_NAMES, Fault, FaultPlan
from sandbox.bill.recorded import ENROLLMENT as RECORDED_ENROLLMENT
from sandbox.loopback import LoopbackHandler, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from sandbox.api.store import PageStore
    from sandbox.bill.wire import PagedBill

_USAGE_PATH = re.compile(r"/rest/(?P<enrollment>[^/]+)/usage-report/paginatedV3")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_REPLACED = {
    "html": html_answer,
    "nocontent": no_content_answer,
    "csv": empty_month_answer,
    "nothing": nothing_answer,
    "throttled": throttled_answer,
}


@dataclass
class Ledger:
    """Everything that the server knows.

    Attributes:
        bills: By enrollment.
        months: The months with usage (`YYYY-MM`), by enrollment.
        store: Rendered pages.
        plan: The faults to come.
        seed: Decides which requests meet faults with a probability.
        decoy_port: Another port of the same server, for nextLinks that point elsewhere.
        revisions: By enrollment and month, absent for 0.
        requests: The usage requests so far.
    """

    bills: dict[str, PagedBill]
    months: Mapping[str, Sequence[str]]
    store: PageStore
    plan: FaultPlan
    seed: int
    decoy_port: int = 0
    revisions: dict[tuple[str, str], int] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def set_revision(self, enrollment: str, month: str, revision: int) -> None:
        """Serve another revision of a month from now on.

        Raises:
            ValueError: The enrollment has no such month, or it is the recorded one.
        """
        if enrollment == RECORDED_ENROLLMENT or month not in self.months.get(enrollment, ()) or revision < 0:
            raise ValueError(f"Enrollment {enrollment} has no month {month} that can be re-rated to {revision}.")
        self.revisions[enrollment, month] = revision

    def served(self, enrollment: str) -> dict[str, dict[str, Any]]:
        """Return rows, pages, exact cost (decimal text) and revision of each month of an enrollment as it is now."""
        bill = self.bills[enrollment]
        months = {}
        for month in self.months[enrollment]:
            revision = self.revisions.get((enrollment, month), 0)
            cost: Decimal = self.store.extended_cost(bill, month, revision)
            months[month] = {
                "row_count": bill.row_count(month, revision),
                "page_count": bill.page_count(month, revision),
                "extended_cost": f"{cost:f}",
                "revision": revision,
            }
        return months


class ApiServer(LoopbackServer):
    """Serves a ledger."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        """Bind to loopback; port 0 takes a free one."""
        self.ledger = ledger
        super().__init__(port, Handler)


class Handler(LoopbackHandler):
    """Answers one connection."""

    server: ApiServer

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Answer usage requests, `/sandbox/served` and `/sandbox/requests`."""
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        ledger = self.server.ledger
        if usage := _USAGE_PATH.fullmatch(address.path):
            self._answer_usage(usage["enrollment"], query)
        elif address.path == "/sandbox/requests":
            self.send(json_answer(ledger.requests))
        elif address.path == "/sandbox/served" and query.get("enrollment") in ledger.bills:
            self.send(json_answer(ledger.served(query["enrollment"])))
        else:
            self.send(error_answer(404, f"There is nothing at {address.path}."))

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Set the faults or a month's revision."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        ledger = self.server.ledger
        try:
            wish = json.loads(body)
            if self.path == "/sandbox/faults":
                ledger.plan = FaultPlan(wish, ledger.seed)
            elif self.path == "/sandbox/revision":
                enrollment, month, revision = wish["enrollment"], wish["month"], int(wish["revision"])
                ledger.set_revision(enrollment, month, revision)
            else:
                self.send(error_answer(404, f"There is nothing at {self.path}."))
                return
        except (ValueError, KeyError, TypeError) as error:
            self.send(error_answer(400, str(error)))
            return
        self.send(json_answer(wish))

    def do_DELETE(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Forget the requests so far."""
        if self.path == "/sandbox/requests":
            self.server.ledger.requests.clear()
            self.send(json_answer([]))
        else:
            self.send(error_answer(404, f"There is nothing at {self.path}."))

    def _answer_usage(self, enrollment: str, query: dict[str, str]) -> None:
        ledger = self.server.ledger
        number, fault = ledger.plan.take(query.get("month", ""), query.get("pageindex", ""))
        scheme, _, key = self.headers.get("Authorization", "").partition(" ")
        refusal = keys.refusal(key, enrollment) if scheme.lower() == "bearer" else "No key was sent."
        if fault is not None and fault.status is not None:
            answer = error_answer(fault.status, number=number, retry_after=fault.argument)
        elif refusal is not None:
            answer = error_answer(401, refusal)
        else:
            answer = self._usage_answer(enrollment, query, number, fault)
        ledger.requests.append({
            "enrollment": enrollment,
            "month": query.get("month"),
            "page": query.get("pageindex"),
            "status": answer.status,
            "fault": fault and (f"{fault.kind}={fault.argument}" if fault.argument else fault.kind),
            "authorized": refusal is None,
            "user_agent": self.headers.get("User-Agent"),
            "host": self.headers.get("Host"),
        })  # fmt: skip
        if fault is not None and fault.kind == "timeout":
            self.server.ended.wait(float(fault.argument))
        broken = fault.kind if fault is not None and answer.status == 200 else ""  # noqa: PLR2004 - the status OK
        self.send(answer, broken)

    def _usage_answer(self, enrollment: str, query: dict[str, str], number: int, fault: Fault | None) -> Answer:
        """Return the answer to a request with a valid key."""
        ledger = self.server.ledger
        month, page = query.get("month", ""), query.get("pageindex", "0")
        if enrollment not in ledger.bills:
            return error_answer(404, f"There is no enrollment {enrollment}.")
        if not _MONTH.fullmatch(month) or not page.isdecimal() or query.get("fmt") != "json":
            return error_answer(400, "month must be YYYY-MM, pageindex a number from 0 on, fmt json.", 1)
        if fault is not None and fault.kind in _REPLACED:
            return _REPLACED[fault.kind]()
        return self._page_answer(enrollment, month, int(page), number, fault)

    def _page_answer(self, enrollment: str, month: str, page: int, number: int, fault: Fault | None) -> Answer:
        """Return a page, or what replaces one where there are no rows."""
        ledger = self.server.ledger
        bill = ledger.bills[enrollment]
        kind, argument = (fault.kind, fault.argument) if fault is not None else ("", "")
        revision = ledger.revisions.get((enrollment, month), 0)
        if kind == "csvrows":
            return csv_rows_answer(bill.page(month, page, revision)[:2])
        page_count = bill.page_count(month, revision) if month in ledger.months[enrollment] else 0
        if not page_count:
            return empty_month_answer()
        if page >= page_count:
            return error_answer(404, f"The month {month} has {page_count} pages.")
        if kind == "empty":
            return page_answer(b"[]", f"{self._link(enrollment, month, page)}&continuation={number}", month)
        next_link = self._link(enrollment, month, page + 1) if page + 1 < page_count else None
        if kind == "nextlink":
            next_link = self._changed_link(self._link(enrollment, month, page + 1), argument)
        content = ledger.store.page(bill, month, page, revision)
        link_name = LINK_NAMES[argument] if kind == "linkname" else "nextLink"
        return page_answer(content.rows_json, next_link, month, bom=kind != "nobom", link_name=link_name)

    def _link(self, enrollment: str, month: str, page: int) -> str:
        """Return a page's absolute URL on the host that the client used."""
        path = f"/rest/{enrollment}/usage-report/paginatedV3?month={month}&pageindex={page}&fmt=json"
        return f"http://{self.headers['Host']}{path}"

    def _changed_link(self, link: str, part: str) -> str:
        """Return a nextLink that a careful client does not follow.

        The other host and port are this server too, so `/sandbox/requests` shows a key that was sent there.
        """
        host, _, port = self.headers["Host"].partition(":")
        if part == "repeat":
            return f"http://{self.headers['Host']}{self.path}"
        if part == "scheme":
            return link.replace("http://", "https://", 1)
        if part == "path":
            return link.replace("/rest/", "/rest/other/", 1)
        if part == "month":
            return _MONTH.sub(lambda found: f"{found[0][:5]}{int(found[1]) % 12 + 1:02}", link)
        if part == "host":
            return link.replace(f"//{host}", "//localhost" if host != "localhost" else "//127.0.0.1", 1)
        return link.replace(f":{port}/", f":{self.server.ledger.decoy_port}/", 1)
