"""Compares what the views show with what the API served, row by row, and `check` with SQL of the test's own."""

# ruff: noqa: S608 - the queries are put together from this file's own names

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from chaos.bill import COMPARED, ENROLLMENT, MONTHS, canonical, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.run import Ended

ABSENT = "nothing"
"""No snapshot of the month is published."""
EMPTY = "an empty month"
"""A snapshot without rows is published."""


@dataclass(frozen=True)
class Damage:
    """What is published is no revision that was ever served."""

    why: str

    def __str__(self) -> str:
        """Why."""
        return self.why


Content = str | int | Damage
"""What is published of a month: ABSENT, EMPTY, the revision that it is, to the row, or Damage."""


class Queried(Protocol):
    """What can be asked about a database, whose tables are named with `{db}.` before them."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query."""

    def warehouse(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of azure-billing-warehouse."""

    def revision(self, month: str) -> int:
        """The revision of a month that is served."""


def contents(site: Queried) -> dict[str, Content]:
    """What is published of each month."""
    months = {
        row["month"]: row["rows"]
        for row in site.query(
            "SELECT formatDateTime(billing_month, '%Y-%m') AS month, toUInt32(row_count) AS rows "
            f"FROM {{db}}.azure_billing_month WHERE enrollment_number = '{ENROLLMENT}'"
        )
    }
    published = _by_month(
        site,
        ", ".join(name for name in COMPARED if name != "subscription_id")
        + ", toString(subscription_id) AS subscription_id",
        "azure_billing_detail",
    )
    rejected = _by_month(site, "extended_cost", "azure_billing_issue", "WHERE severity = 'reject'")
    found = {
        month: _content(month, months.get(month), published.get(month, []), rejected.get(month, []), site)
        for month in MONTHS
    }
    if foreign := {*months, *published, *rejected} - set(MONTHS):
        found[min(foreign)] = Damage("a month that nobody asked for is published")
    return found


def _by_month(site: Queried, columns: str, view: str, condition: str = "") -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    rows = site.query(
        "SELECT formatDateTime(billing_month, '%Y-%m') AS of_month, toUInt32(row_number) AS of_row, "
        f"{columns} FROM {{db}}.{view} {condition}"
    )
    for row in rows:
        found.setdefault(row["of_month"], []).append(row)
    return found


def _content(
    month: str,
    row_count: int | None,
    published: list[dict[str, Any]],
    rejected: list[dict[str, Any]],
    site: Queried,
) -> Content:
    if not published and not rejected:
        if row_count:
            return Damage(f"a month of {row_count} rows is published without any")
        return ABSENT if row_count is None else EMPTY
    if row_count is None:
        return Damage("rows are published of a month that is not")
    rows = {row["of_row"]: canonical(row) for row in published}
    if len(rows) < len(published):
        return Damage(f"{len(published) - len(rows)} rows are published twice")
    costs = {row["of_row"]: row["extended_cost"] for row in rejected}
    differences = {}
    for revision in range(site.revision(month) + 1):
        expected = served(month, revision)
        differences[revision] = len(rows.items() ^ expected.published.items()) + len(
            costs.items() ^ expected.rejected.items()
        )
        if not differences[revision]:
            total = len(rows) + len(costs)
            return (
                revision
                if total == row_count
                else Damage(f"{total} rows are published, the month row says {row_count}")
            )
    nearest = min(differences, key=lambda revision: differences[revision])
    expected = served(month, nearest)
    return Damage(
        f"{len(rows)} rows and {len(costs)} rejected ones are published; revision {nearest} has "
        f"{len(expected.published)} and {len(expected.rejected)}, and {differences[nearest]} are not the same"
    )


@dataclass
class History:
    """What a schedule's runs have published so far.

    Attributes:
        before: what was published of each month before the next run.
    """

    before: dict[str, Content] = field(default_factory=lambda: dict.fromkeys(MONTHS, ABSENT))

    def losses(self, site: Queried, ended: Ended) -> Iterator[str]:
        """Every way in which a run did wrong, as a sentence; what it published is what was before the next one.

        Months may stay as they were, if the run did not say that it succeeded; they may become what is served now.
        An empty month may be published where the API said so and no rows were before.
        """
        now = contents(site)
        succeeded = 0 in ended.codes
        for month, content in now.items():
            before = self.before.get(month, ABSENT)
            allowed: set[Content] = {site.revision(month)}
            if month in ended.emptied and before in {ABSENT, EMPTY}:
                allowed.add(EMPTY)
            if content in allowed:
                continue
            if isinstance(content, Damage):
                yield f"{month}: {content}"
            elif succeeded:
                asked = f"revision {site.revision(month)} was served"
                yield f"{month}: a run succeeded, {_told(content)} is published, {asked}"
            elif content != before:
                yield f"{month}: {_told(before)} was published, now it is {_told(content)}"
        self.before = now


def _told(content: Content) -> str:
    return f"revision {content}" if isinstance(content, int) else str(content)


def secrets_in(output: str, *secrets: str) -> Iterator[str]:
    """Every secret that was printed, as it is or in base64, as a sentence that does not repeat it."""
    for place, secret in enumerate(secrets, 1):
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        pair = base64.b64encode(f"default:{secret}".encode()).decode().rstrip("=")
        if any(text in output for text in (secret, encoded, pair)):
            yield f"secret {place} was printed"


def check_losses(site: Queried) -> Iterator[str]:
    """Every way in which `check` says another thing than the tables, as a sentence."""
    code, said = site.warehouse("check", "--format", "json")
    facts = _facts(site)
    if code not in {0, 1}:
        if facts:
            yield f"check: it can't tell, with exit code {code}: {said.strip()[-300:]}"
        return
    result = json.loads(said[said.index("{") :])
    verdicts = {month["billing_month"][:7]: month for month in result["months"]}
    if (result["status"] == "ok") != (code == 0):
        yield f"check: status {result['status']} with exit code {code}"
    for month in MONTHS:
        verdict = verdicts.get(month)
        if month not in facts:
            if code == 0:
                yield f"check: all is well, but nothing was ever loaded of {month}"
        elif verdict is None:
            yield f"check: {month} is not mentioned"
        else:
            yield from _disagreements(month, facts[month], verdict)


def _disagreements(month: str, fact: dict[str, Any], verdict: dict[str, Any]) -> Iterator[str]:
    snapshot = verdict["snapshot"]
    row = snapshot["month_row"]
    told = {
        "snapshot": snapshot["snapshot_at"][:23].replace("T", " ").rstrip("Z").ljust(23, "0")[:19],
        "rows": snapshot["distinct_row_count"],
        "rejected": snapshot["rejected_row_count"],
        "findings": snapshot["issue_count"],
        "audit": snapshot["audit_count"],
        "given": row and row["row_count"],
    }
    for name, value in told.items():
        if value != fact[name]:
            yield f"check: {month}: {name}: it says {value}, the tables {fact[name]}"
    if not math.isclose(snapshot["extended_cost"], fact["cost"], abs_tol=1e-6):
        yield f"check: {month}: it says a cost of {snapshot['extended_cost']}, the tables {fact['cost']}"
    if not fact["whole"] and verdict["status"] == "ok":
        yield f"check: {month} is not whole, and passes"
    if fact["whole"] and verdict["status"] != "ok" and not _judges_more(verdict["problems"]):
        yield f"check: {month} is whole, and fails: {verdict['problems']}"


def _judges_more(problems: list[dict[str, str]]) -> bool:
    """Whether `check` has a reason beside the newest snapshot's own numbers: those before it, or the clock."""
    return all("--accept-fall" in problem["text"] or "ClickHouse's clock" in problem["text"] for problem in problems)


_NOTHING = {
    **dict.fromkeys(("rows", "rejected", "findings", "audit", "delivered"), 0),
    "cost": 0.0,
    "lost_cost": 0.0,
    "given": None,
}
"""What there is of a snapshot before anything was found."""


def _facts(site: Queried) -> dict[str, dict[str, Any]]:
    """What the tables hold of the newest snapshot of each month; a row that was delivered twice counts once.

    What a load left that broke off is the newest by its instant only, if a snapshot came whole after it: the clocks of
    the two differed, and the one that came last is judged.
    """
    key = "billing_month, snapshot_at"
    parts = {
        "months": f"""SELECT {key}, any(row_count) AS given, any(staged_row_count) AS staged,
            any(rejected_row_count) AS refused, any(received_row_count) AS received, any(issue_count) AS issues,
            any(audit_count) AS audits, toFloat64(any(extended_cost)) AS given_cost,
            any(staged_extended_cost) AS staged_cost, any(rejected_extended_cost) AS refused_cost
            FROM {{db}}.stg_azure_billing_month GROUP BY {key}""",
        "rows": f"""SELECT {key}, count() AS rows, sum(cost) AS cost, toUnixTimestamp(max(at)) AS delivered FROM
            (SELECT {key}, row_number, any(ifNull(extended_cost, 0)) AS cost, max(create_at) AS at
            FROM {{db}}.stg_azure_billing_detail GROUP BY {key}, row_number) GROUP BY {key}""",
        "issues": f"""SELECT {key}, sum(found) AS findings, sum(refused) AS rejected, sumIf(cost, refused) AS lost_cost
            FROM (SELECT {key}, row_number, uniqExact(rule, column) AS found, max(severity = 'reject') AS refused,
            any(ifNull(extended_cost, 0)) AS cost FROM {{db}}.dq_billing_issue GROUP BY {key}, row_number)
            GROUP BY {key}""",
        "audit": f"""SELECT {key}, uniqExact(first_row_number) AS audit FROM {{db}}.dq_tagging_audit GROUP BY {key}""",
    }
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for query in parts.values():
        for row in site.query(query):
            place = row.pop("billing_month")[:7], row.pop("snapshot_at")
            found.setdefault(place, dict(_NOTHING))
            found[place] |= {name: value if isinstance(value, float) else int(value) for name, value in row.items()}
    newest: dict[str, dict[str, Any]] = {}
    newest_whole: dict[str, dict[str, Any]] = {}
    for (month, snapshot_at), fact in sorted(found.items()):
        newest[month] = fact | {"snapshot": snapshot_at[:19], "whole": _is_whole(fact)}
        if newest[month]["whole"]:
            newest_whole[month] = newest[month]
    for month, whole in newest_whole.items():
        if newest[month]["given"] is None and whole["delivered"] > newest[month]["delivered"] > 0:
            newest[month] = whole
    return newest


def _is_whole(fact: dict[str, Any]) -> bool:
    return (
        fact["given"] is not None
        and fact["given"] == fact["received"] == fact["staged"] + fact["refused"]
        and (fact["rows"], fact["rejected"]) == (fact["staged"], fact["refused"])
        and (fact["findings"], fact["audit"]) == (fact["issues"], fact["audits"])
        and math.isclose(fact["cost"], fact["staged_cost"], abs_tol=1e-6)
        and math.isclose(fact["lost_cost"], fact["refused_cost"], abs_tol=1e-6)
        and math.isclose(fact["given_cost"], fact["staged_cost"] + fact["refused_cost"], abs_tol=1e-6)
    )
