"""A random bill for the tests of the report's data, and a plain reading of its rows; no test is here."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from warehouse.loading import Warehouse

MARCH, APRIL, MAY, JUNE, JULY, AUGUST = (dt.date(2026, month, 1) for month in range(3, 9))
ENROLLMENTS = ("88888888", "99999999")
THROUGH = dt.date(2026, 8, 19)
"""Last day of usage of the open month."""
_IDS = [
    "/subscriptions/S-1/resourceGroups/RG-Pay/providers/x/vm-Pay-1",
    "/subscriptions/S-1/resourceGroups/RG-Pay/providers/x/vm-pay-2",
    "/subscriptions/s-2/resourceGroups/Größe/providers/x/Größe",
    "Unassigned",
    f"/subscriptions/s-2/resourceGroups/rg-long/providers/{'x' * 300}/db-long",
    *(f"/subscriptions/s-{number % 4}/resourceGroups/rg-{number % 7}/providers/x/db-{number}" for number in range(20)),
    "",
]
_TAGS: list[tuple[str | None, str | None]] = [
    ('{"app":"crm"}', "crm"),
    ('{"App":"crm"}', None),
    ('{"app":"CRM","n":{"app":"x"}}', "CRM"),
    ('{"app":"a","app":"shop \\"q\\" é"}', 'shop "q" é'),
    ('{"app":15}', "15"),
    ('{"app":true}', "true"),
    ('{"app":{"a.b":[1,2]}}', '{"a.b":[1,2]}'),
    ('{"app":null}', None),
    ('{"app":" "}', None),
    ('{"a.app":"x","other":"app"}', None),
    (None, None),
]
"""Tags as text, and what R9 reads of the tag app."""
_APPLICATIONS = [("PAY", "last_segment", 1), ("SHOP", "resource_group", 2), ("CRM", "subscription", 1)]
_APPLICATIONS += [(f"APP-{number}", "last_segment", 1) for number in range(12)]
_UNMATCHED = [("VM-1", None, 0), ("VM-1", "unknown", None), (None, None, 0)]


class Sum(NamedTuple):
    """What a plain reading finds of some rows."""

    cost: float
    cost_with_tax: float
    rows: int
    unknown: int


def random_rows(
    chance: random.Random, enrollment: str, month: dt.date, count: int, *, last_day: int = 28, has_nan: bool = False
) -> list[dict[str, Any]]:
    """Usage rows of a month as the mapper stages them, with `app`: what R9 reads of that tag."""
    rows = []
    for number in range(1, count + 1):
        cost = chance.choice([None, 0.0, -1.5, *(chance.uniform(0, 900) for _ in range(12))])
        if has_nan and number % 5 == 0:
            cost = chance.choice([math.nan, math.inf])
        tags, app = chance.choice(_TAGS)
        tracking, level, matches = chance.choice(_APPLICATIONS + _UNMATCHED)
        subscription = chance.choice(["s-1", "S-1", "s-2", None])
        day = chance.choice([None, *(month.replace(day=chance.randint(1, last_day)) for _ in range(15))])
        spelling = chance.choice(_IDS)
        rows.append(
            {
                "enrollment_number": enrollment,
                "billing_month": month,
                "row_number": number,
                "date": month - dt.timedelta(days=1) if chance.random() < 0.05 else day,
                "extended_cost": cost,
                "extended_cost_tax": None if cost is None else cost * 1.06,
                "instance_id": chance.choice([spelling, spelling.lower(), spelling.upper()]),
                "resource_group": chance.choice(["rg-Pay", "RG-PAY", "", " ", None, *(f"Rg-{n}" for n in range(9))]),
                "subscription_guid": subscription,
                "subscription_name": chance.choice(["Prod", None]) if subscription else chance.choice(["Test", None]),
                "meter_category": chance.choice(["Virtual Machines", "virtual machines", "Storage", None]),
                "department_name": chance.choice(["IT", "it", "", None]),
                "cost_center": chance.choice([None, *(f"CC-{n}" for n in range(9))]),
                "resource_location": chance.choice(["CN East 2", "cn east 2", "chinaeast2", None]),
                "tags": "{}",
                "tags_text": tags,
                "resource_tracking": tracking,
                "match_level": level,
                "match_count": matches,
                "billing_currency": chance.choice(["CNY", "CNY", "USD", None]),
                "app": app,
            }
        )
    return rows


def load(
    warehouse: Warehouse, rows: Sequence[dict[str, Any]], snapshot: dt.datetime, rejected: Sequence[float | None] = ()
) -> None:
    """Deliver a whole snapshot of these rows; a reject whose cost can't be read has none."""
    key = {"enrollment_number": rows[0]["enrollment_number"], "snapshot_at": snapshot}
    staged = [{name: row[name] for name in row if name != "app"} | key | {"month_date": MARCH} for row in rows]
    warehouse.insert(AzureBillingDetail, staged)
    month = rows[0]["billing_month"]
    issues = [
        {**key, "billing_month": month, "row_number": len(rows) + number, "extended_cost": cost, "column": "date"}
        | {"rule": "R1", "severity": "reject", "value": f"{number % 5}{'/31/02' * 20}", "record": "{}"}
        for number, cost in enumerate(rejected, 1)
    ]
    warehouse.insert(BillingIssue, issues)
    known = math.fsum(cost for cost in (row["extended_cost"] for row in rows) if is_known(cost))
    readable = math.fsum(cost for cost in rejected if is_known(cost))
    warehouse.finish(
        [0.0] * len(rows),
        month,
        snapshot,
        rejected=[0.0] * len(rejected),
        enrollment_number=rows[0]["enrollment_number"],
        extended_cost=f"{known + readable:.20f}",
        staged_extended_cost=known,
        rejected_extended_cost=readable,
        issue_count=len(rejected),
    )


def is_known(cost: float | None) -> TypeGuard[float]:
    """Whether a cost is a finite number."""
    return cost is not None and math.isfinite(cost)


def at(month: int, day: int) -> dt.datetime:
    """Start of an extraction."""
    return dt.datetime(2026, month, day, 3, 0, tzinfo=dt.UTC)


def load_bill(warehouse: Warehouse, seed: int, *, has_nan: bool = True) -> list[dict[str, Any]]:
    """Load a random bill and return its published rows.

    March, May, June, July, August of two enrollments, April of none. May fails for the first, which has rows without a
    month row. June was restated; it has rejected rows. August is open, and has no day after `THROUGH`.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    published = []
    for enrollment in ENROLLMENTS:
        for month in (MARCH, MAY, JUNE, JULY, AUGUST):
            if month == AUGUST and enrollment == ENROLLMENTS[1]:
                continue
            count = chance.randint(15, 40)
            rows = random_rows(
                chance,
                enrollment,
                month,
                count,
                last_day=THROUGH.day if month == AUGUST else 28,
                has_nan=has_nan and month == MAY,
            )
            if month == AUGUST:
                rows[0]["date"] = THROUGH
            if month == JULY:
                rows[0]["date"], rows[1]["date"] = dt.date(2026, 7, THROUGH.day), dt.date(2026, 7, THROUGH.day + 1)
            if month == JUNE:
                load(warehouse, random_rows(chance, enrollment, JUNE, count), at(7, 2))
                load(warehouse, rows, at(7, 9), rejected=[5.5, None, *[1.25] * 6])
            else:
                load(warehouse, rows, at(8, 20) if month == AUGUST else at(month.month + 1, 2))
            published += rows
    broken_off = random_rows(chance, ENROLLMENTS[0], MAY, 9)
    warehouse.insert(
        AzureBillingDetail,
        [
            {name: row[name] for name in row if name != "app"} | {"snapshot_at": at(6, 20), "month_date": MAY}
            for row in broken_off
        ],
    )
    return published


def summed(rows: Iterable[dict[str, Any]], *keys: Callable[[dict[str, Any]], Any]) -> dict[Any, Sum]:
    """The sums of rows by keys."""
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(key(row) for key in keys)].append(row)
    return {
        key: Sum(
            math.fsum(row["extended_cost"] for row in group if is_known(row["extended_cost"])),
            math.fsum(row["extended_cost_tax"] for row in group if is_known(row["extended_cost_tax"])),
            len(group),
            sum(not is_known(row["extended_cost"]) for row in group),
        )
        for key, group in groups.items()
    }


def text(row: dict[str, Any], column: str) -> str:
    """A column's text; '' if it is blank."""
    value = row[column] or ""
    return value if value.strip() else ""


def resource(row: dict[str, Any]) -> str:
    """What is one for all spellings of an id."""
    return text(row, "instance_id").lower()


def application(row: dict[str, Any]) -> str:
    """The application; '' for none."""
    return row["resource_tracking"] if row["match_level"] not in {None, "unknown"} else ""


VALUES: dict[str, Callable[[dict[str, Any]], str]] = {
    "application": application,
    "service": lambda row: text(row, "meter_category"),
    "subscription": lambda row: (text(row, "subscription_guid") or text(row, "subscription_name")).lower(),
    "resource_group": lambda row: text(row, "resource_group").lower(),
    "department": lambda row: text(row, "department_name"),
    "cost_center": lambda row: text(row, "cost_center"),
    "region": lambda row: text(row, "resource_location").lower(),
    "enrollment": lambda row: row["enrollment_number"],
    "tag:app": lambda row: (row["app"] or "") if (row["app"] or "").strip() else "",
    "tag:other": lambda row: json.loads(row["tags_text"] or "{}").get("other", ""),
}
"""Cut -> what is one value of it; '' for none."""
