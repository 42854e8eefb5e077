"""A bill for the report's tests: usage lines, and the report data that are their plain sums; no test is here."""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import math
import random
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from azure_billing_warehouse.check.checks import Problem
from azure_billing_warehouse.report.data import (
    ApplicationRestatement,
    Cell,
    Conflict,
    Cut,
    Day,
    Finding,
    Load,
    Matched,
    Month,
    Reconciliation,
    ReportData,
    Resource,
    Restatement,
    Suggestion,
    Unallocated,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ENROLLMENTS = ("77777777", "88888888")
CUTS = {
    "application": "Application",
    "service": "Service",
    "subscription": "Subscription",
    "resource_group": "Resource group",
    "department": "Department",
    "cost_center": "Cost center",
    "region": "Region",
    "enrollment": "Enrollment",
    "tag:app": "Tag app",
}
APPLICATIONS = (
    *("PAYROLL", "SHOP", "CRM", "LEDGER", "DATALAKE", "IDENTITY"),
    *("SEARCH", "REPORTING", "CHAT", "BACKUP", "MOBILE", "WIKI"),
)
SERVICES = ("Virtual Machines", "Storage", "SQL Database", "Azure Kubernetes Service", "Bandwidth", "Azure Monitor")
REGIONS = ("China North 3", "China East 2", "China North 2", None)
CURE = (
    "TAP_AZURE_EA_BILLING_START_DATE={0} TAP_AZURE_EA_BILLING_END_DATE={0} "
    "meltano run --full-refresh --state-id-suffix={0} tap-azure-ea-billing mapper target-clickhouse"
)
RULES = {
    "R1": "A date that can't be read rejects the row: without a day it can't be billed.",
    "R5": "A quantity below zero is kept, with a warning.",
    "R8": "Tags without braces become an object; what can't be read is set to null.",
}


class Line(NamedTuple):
    """A usage row: `values` for each cut; a cost of None is unknown."""

    day: dt.date
    currency: str
    values: dict[str, str | None]
    resource: str
    cost: float | None
    tax: float = 0.0
    reason: str | None = None

    @property
    def month(self) -> dt.date:
        """First day of the month."""
        return self.day.replace(day=1)


class Period(NamedTuple):
    """A column of the report and which lines are in it."""

    month: Month
    first: dt.date
    last: dt.date


def plain_sum(lines: Iterable[Line]) -> float:
    """The known costs, summed exactly."""
    return math.fsum(line.cost for line in lines if line.cost is not None)


def months_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every month from the first to the last."""
    count = (last.year - first.year) * 12 + last.month - first.month
    return [
        dt.date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(count + 1)
    ]


@functools.cache
def rich_lines() -> list[Line]:
    """Thirteen months of two enrollments in two currencies: one missing, one open, with credits and unknown costs."""
    drawn = random.Random(7)  # noqa: S311 - a bill of chance, not a secret
    lines = []
    resources = [_resource(number, drawn) for number in range(160)]
    for place, month in enumerate(months_between(dt.date(2025, 11, 1), dt.date(2026, 11, 1))):
        last = 24 if month == dt.date(2026, 11, 1) else calendar.monthrange(month.year, month.month)[1]
        for number, (values, resource, size) in enumerate(resources):
            if month == dt.date(2026, 6, 1) or (number * 7 + place) % 11 == 0:
                continue
            currency = "USD" if number % 23 == 0 else "CNY"
            growth = 1 + 0.03 * place * (1 if number % 3 else -0.5)
            for day in range(1, last + 1) if number < 40 else (1 + number % 9, 19):
                cost: float | None = size * growth * drawn.uniform(0.8, 1.2)
                if number == 5 and day < 12:
                    cost = -120.5 * drawn.random()
                if number == 9 or (number == 14 and day < 5):
                    cost = None
                reason = "no_match" if values["application"] is None else None
                lines.append(
                    Line(month.replace(day=day), currency, values, resource, cost, 1.06 * (cost or 0.0), reason)
                )
    return lines


def _resource(number: int, drawn: random.Random) -> tuple[dict[str, str | None], str, float]:
    application = None if number % 9 == 0 else APPLICATIONS[int(12 * drawn.random() ** 1.7)]
    group = f"rg-{(application or 'misc').lower()}-{number % 4}" if number % 17 else f"rg-shared-{number % 40}"
    subscription = f"sub-{number % 5:04d}-9c1d-4f2e-8a51-6b0f3c2d1e00"
    values: dict[str, str | None] = {
        "application": application,
        "service": SERVICES[number % len(SERVICES)],
        "subscription": f"Subscription {number % 5}",
        "resource_group": group,
        "department": ("Finance", "Sales", "IT", None)[number % 4],
        "cost_center": f"CC-{1000 + number % 7}",
        "region": REGIONS[number % 4],
        "enrollment": ENROLLMENTS[number % 2],
        "tag:app": application.lower() if application and number % 3 else None,
    }
    kind = ("Microsoft.Compute/virtualMachines/vm", "Microsoft.Storage/storageAccounts/st", "Microsoft.Sql/servers/db")[
        number % 3
    ]
    resource = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}-{number:04d}"
    return values, resource, 1300 / (number + 8) ** 1.1


def report_data(
    lines: Sequence[Line],
    *,
    through: dt.date | None = None,
    failing: Sequence[dt.date] = (),
    listed: int = 30,
    resources_listed: int = 10_000,
    rejected: Sequence[float] = (),
    **changes: object,
) -> ReportData:
    """Build a report of lines; `through` is the last day of the last month, if that is still open."""
    currencies = sorted(
        {line.currency for line in lines}, key=lambda name: -plain_sum(x for x in lines if x.currency == name)
    )
    periods = _periods(lines, through, failing)
    cuts, places = [], {}
    for key in CUTS:
        cut, places[key] = _cut(key, lines, periods, currencies, listed)
        cuts.append(cut)
    in_resources: dict[tuple[str, tuple[int, ...]], list[Line]] = defaultdict(list)
    for line in lines:
        in_resources[line.resource, tuple(places[key].get(line.values[key], -1) for key in CUTS)].append(line)
    resources = [
        Resource(resource, list(values), _cells(found, periods, currencies))
        for (resource, values), found in sorted(in_resources.items(), key=lambda entry: -plain_sum(entry[1]))
    ]
    without = [line for line in lines if line.reason]
    data = ReportData(
        database="azure_billing",
        at=dt.datetime(2026, 11, 25, 3, 0, tzinfo=dt.UTC),
        enrollments=sorted({line.values["enrollment"] or "" for line in lines}),
        currencies=currencies,
        months=[period.month for period in periods],
        reconciliations=_reconciliations(lines, periods, currencies, rejected),
        problems=[],
        cuts=cuts,
        resources=resources[:resources_listed],
        resource_count=len({line.resource.lower() for line in lines}),
        days=_days(lines, places["application"], currencies),
        undated=[],
        unallocated=[Unallocated("no_match", _cells(without, periods, currencies))] if without else [],
        suggestions=[],
        suggestions_missing="",
        in_conflict=[],
        conflicts=[],
        restatements=[],
        findings=[],
        rules=RULES,
        loads=[],
        amortized_months=0,
        left_out=[],
    )
    return data.model_copy(update=changes)


def rich_report() -> ReportData:
    """A report with everything on it."""
    lines = rich_lines()
    data = report_data(
        lines,
        through=dt.date(2026, 11, 24),
        failing=[dt.date(2026, 9, 1)],
        listed=40,
        resources_listed=120,
        rejected=(753.34, 12.5),
    )
    places = {(month.month, month.is_comparison): place for place, month in enumerate(data.months)}
    september, october = places[dt.date(2026, 9, 1), False], places[dt.date(2026, 10, 1), False]
    november = places[dt.date(2026, 11, 1), False]
    conflicts = [
        Conflict(
            one.id,
            "PAYROLL",
            3,
            [
                Matched("PAYROLL", ["last_segment"]),
                Matched("PAY", ["last_segment", "resource_group"]),
                Matched("SHARED", ["subscription"]),
            ],
            one.cells,
        )
        for one in data.resources[3:6]
    ] + [Conflict(data.resources[8].id, "SHOP", 3, [Matched("SHOP", ["resource_group"])], data.resources[8].cells)]
    at = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)
    return data.model_copy(
        update={
            "problems": [
                Problem(
                    check="C16",
                    text="the newest complete load is 41 hours old, more than 36 hours",
                    cure="meltano run tap-azure-ea-billing mapper target-clickhouse",
                )
            ],
            "undated": [Cell(november, 0, 31.5, 33.39, 3, 1)],
            "unallocated": [
                *data.unallocated,
                Unallocated("nothing_to_match", [Cell(november, 0, 210.75, 223.395, 12, 0)]),
                Unallocated("unknown", [Cell(0, 0, 98.1, 103.986, 40, 0)]),
            ],
            "suggestions": [
                Suggestion("misc", 18250.21, 14, ["resource group"], ["rg-misc-0", "rg-misc-1", "rg-misc-2"]),
                Suggestion("batch jobs", 912.4, 3, ["name", "tag"], ["vm-batch jobs-1"]),
            ],
            "in_conflict": [cell for one in data.resources[3:10] for cell in one.cells],
            "conflicts": conflicts,
            "restatements": [
                Restatement(
                    enrollment_number="88888888",
                    month=october,
                    before_at=at - dt.timedelta(days=20),
                    at=at - dt.timedelta(days=2),
                    rows_before=5012,
                    rows=5040,
                    cost_before=21034.5512,
                    cost=21877.1034,
                    applications=[
                        ApplicationRestatement("SHOP", 4100.0, 4990.5),
                        ApplicationRestatement(None, 1210.25, 1162.3022),
                    ],
                )
            ],
            "findings": [
                Finding(
                    month=november,
                    rule="R1",
                    severity="reject",
                    column="date",
                    rows=45,
                    cost=753.34,
                    unknown=2,
                    examples=["13/45/2026", "", None],
                ),
                Finding(
                    month=september,
                    rule="R1",
                    severity="reject",
                    column="date",
                    rows=3,
                    cost=12.5,
                    unknown=0,
                    examples=["n/a"],
                ),
                Finding(
                    month=november,
                    rule="R8",
                    severity="null",
                    column="tags",
                    rows=120,
                    cost=4410.2,
                    unknown=0,
                    examples=['"app":"x",,', "{"],
                ),
                Finding(
                    month=november,
                    rule="R5",
                    severity="warn",
                    column="consumed_quantity",
                    rows=9,
                    cost=-340.1,
                    unknown=9,
                    examples=["-3"],
                ),
            ],
            "loads": [
                Load(
                    enrollment_number=number,
                    month=month.month,
                    at=at - dt.timedelta(days=30 * back, hours=place),
                    state=state,
                    rows=5040 if state != "not complete" else None,
                    seconds=184.2,
                )
                for place, number in enumerate(ENROLLMENTS)
                for back, month in enumerate(reversed([one for one in data.months if not one.is_comparison]))
                for state in (("published", "superseded") if back != 2 else ("published", "not complete"))
            ],
            "amortized_months": 4,
            "left_out": ["60 of 412 loads are shown: the newest."],
        }
    )


def _periods(lines: Sequence[Line], through: dt.date | None, failing: Sequence[dt.date]) -> list[Period]:
    filled = {line.month for line in lines}
    periods = []
    for month in months_between(min(filled), max(filled)):
        last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
        state = "missing" if month not in filled else "failing" if month in failing else "whole"
        is_open = through is not None and through.replace(day=1) == month
        periods.append(Period(Month(month=month, state=state, through=through if is_open else None), month, last))
        if is_open and through and periods[-2:-1]:
            before = periods[-2].first
            same_day = before.replace(day=min(through.day, calendar.monthrange(before.year, before.month)[1]))
            periods.append(
                Period(Month(month=before, state="whole", through=same_day, is_comparison=True), before, same_day)
            )
    return periods


def _cells(lines: Iterable[Line], periods: Sequence[Period], currencies: Sequence[str]) -> list[Cell]:
    places: dict[dt.date, list[int]] = defaultdict(list)
    for place, period in enumerate(periods):
        places[period.first].append(place)
    found: dict[tuple[int, int], list[Line]] = defaultdict(list)
    for line in lines:
        for place in places[line.month]:
            if line.day <= periods[place].last:
                found[place, currencies.index(line.currency)].append(line)
    return [
        Cell(
            *key,
            plain_sum(rows),
            math.fsum(row.tax for row in rows if row.cost is not None),
            len(rows),
            sum(row.cost is None for row in rows),
        )
        for key, rows in sorted(found.items())
    ]


def _cut(
    key: str, lines: Sequence[Line], periods: Sequence[Period], currencies: Sequence[str], listed: int
) -> tuple[Cut, dict[str | None, int]]:
    groups: dict[str | None, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.values[key]].append(line)

    def value(name: str | None, rows: Sequence[Line]) -> Value:
        detail = f"guid-of-{name}" if key == "subscription" and name else ""
        return Value(name, detail, len({row.resource.lower() for row in rows}), _cells(rows, periods, currencies))

    largest: Callable[[str | None], float] = lambda name: -plain_sum(groups[name])  # noqa: E731 - a key
    names = sorted(groups, key=largest)
    rest = [line for name in names[listed:] for line in groups[name]]
    cut = Cut(
        key=key,
        label=CUTS[key],
        values=[value(name, groups[name]) for name in names[:listed]],
        others=value(None, rest) if rest else None,
        other_count=len(names[listed:]),
    )
    return cut, {name: place for place, name in enumerate(names[:listed])}


def _days(lines: Sequence[Line], places: dict[str | None, int], currencies: Sequence[str]) -> list[Day]:
    found: dict[tuple[dt.date, int, int], list[Line]] = defaultdict(list)
    for line in lines:
        found[line.day, currencies.index(line.currency), places.get(line.values["application"], -1)].append(line)
    return [Day(*key, plain_sum(rows), sum(row.cost is None for row in rows)) for key, rows in sorted(found.items())]


def _reconciliations(
    lines: Sequence[Line], periods: Sequence[Period], currencies: Sequence[str], rejected: Sequence[float]
) -> list[Reconciliation]:
    found = []
    grouped: dict[tuple[dt.date, str], list[Line]] = defaultdict(list)
    for line in lines:
        grouped[line.month, line.values["enrollment"] or ""].append(line)
    enrollments = sorted({enrollment for _, enrollment in grouped})
    for place, period in enumerate(periods):
        if period.month.is_comparison:
            continue
        for enrollment in enrollments:
            rows = grouped.get((period.first, enrollment), [])
            fails = period.month.state != "whole" and (period.month.state == "missing" or enrollment == ENROLLMENTS[-1])
            name = f"{period.first:%Y-%m}"
            if period.month.state == "missing":
                problem = Problem(
                    check="C1",
                    text="the month was never loaded: nothing of it is in the warehouse; run the tap for it",
                    cure=CURE.format(name),
                )
            else:
                problem = Problem(
                    check="C6",
                    text=f"12 rows are missing from stg_azure_billing_detail: {len(rows)} staged",
                    cure=CURE.format(name),
                )
            snapshot = dt.datetime.combine(period.last, dt.time(3), dt.UTC)
            cost = plain_sum(rows)
            missing = 12 if fails and rows else 0
            found.append(
                Reconciliation(
                    enrollment_number=enrollment,
                    month=place,
                    status="fails" if fails else "ok",
                    problems=[problem] if fails else [],
                    notes=["2 rows are identical, each a real cost"] if rows and not fails else [],
                    currencies=sorted({currencies.index(row.currency) for row in rows}),
                    snapshot_at=snapshot if rows else None,
                    is_published=bool(rows) and not fails,
                    published_snapshot_at=snapshot if rows else None,
                    api_rows=len(rows) + len(rejected) + missing if rows else None,
                    api_cost=f"{cost + sum(rejected) + 31.25 * (missing > 0):.10f}" if rows else None,
                    staged_rows=len(rows),
                    staged_cost=cost,
                    staged_cost_with_tax=math.fsum(row.tax for row in rows),
                    staged_unknown=sum(row.cost is None for row in rows),
                    rejected_rows=len(rejected) if rows else 0,
                    rejected_cost=sum(rejected) if rows else 0.0,
                    rejected_unknown=0,
                )
            )
    return found
