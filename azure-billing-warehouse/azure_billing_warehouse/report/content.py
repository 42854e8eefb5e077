"""Reads the report's data from ClickHouse; what is in each part, and how, is in the modules beside this one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from azure_billing_warehouse.check.ledger import read_snapshots
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import WarehouseError, connect, explained
from azure_billing_warehouse.report.allocation import is_in_conflict, read_conflicts, read_suggestions, read_unallocated
from azure_billing_warehouse.report.cuts import (
    MOST_RESOURCES,
    read_cuts,
    read_listings,
    read_resources,
)
from azure_billing_warehouse.report.data import ReportData
from azure_billing_warehouse.report.days import bound_days, days, read_days
from azure_billing_warehouse.report.findings import RULES, read_findings
from azure_billing_warehouse.report.fitting import (
    MOST_BYTES,
    MOST_BYTES_WITHOUT_RESOURCES,
    Bounded,
    fitting,
    size_of,
)
from azure_billing_warehouse.report.months import MOST_MONTHS, first_shown, read_months
from azure_billing_warehouse.report.reconciliation import loads, read_reconciliations, read_restatements, shortened
from azure_billing_warehouse.report.rows import Bill
from azure_billing_warehouse.tables import ACTUAL, with_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from azure_billing_warehouse.check.checks import Problem
    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.check.verdict import CheckResult, MonthCheck
    from azure_billing_warehouse.config import ClickHouseConfig


def read_report(
    config: ClickHouseConfig,
    *,
    since: dt.date | None = None,
    expected: Expectations | None = None,
    tags: Sequence[str] = ("app",),
) -> ReportData:
    """Read what the report shows of the published months at actual cost.

    Args:
        config: Where the tables are.
        since: First month; all months if None.
        expected: See `check.check`; where it names enrollments, the report is on these.
        tags: Keys of the tags that the bill is divided by.

    Raises:
        WarehouseError: ClickHouse or its tables can't be read, or there is no month.
    """
    verdict = check(config, since=since, expected=expected)
    checks = [month for month in verdict.months if month.dataset == ACTUAL] if verdict else []
    if verdict is None or not any(month.snapshot for month in checks):
        raise WarehouseError(
            "There is no month to report on: nothing was loaded yet at actual cost, or not since the month asked for."
        )
    first = first_shown(checks)
    is_whole = all(month.billing_month >= first for month in checks)
    checks = [month for month in checks if month.billing_month >= first]
    suggestions, missing = read_suggestions(config, first)
    with connect(config) as client:
        snapshots = read_snapshots(client, config, first)
        with explained(config, "read the published months"):
            enrollments = sorted(expected.enrollments) if expected else []
            bill = Bill(client, config, read_months(client, config, checks, enrollments), enrollments)
            bill.read_currencies()
            data = _without_cuts(bill, verdict, checks, [found for found in snapshots if found.dataset == ACTUAL])
            data.suggestions, data.suggestions_missing = suggestions, missing
            if not is_whole:
                data.left_out.insert(0, f"Only the newest {MOST_MONTHS} months are shown.")
            _add_cuts(data, bill, tags)
            data.currencies = list(bill.currencies)
    return data


def _without_cuts(
    bill: Bill, verdict: CheckResult, checks: Sequence[MonthCheck], snapshots: Sequence[Snapshot]
) -> ReportData:
    bounded = Bounded()
    snapshots = [found for found in snapshots if not bill.enrollments or found.enrollment_number in bill.enrollments]
    amortized = [month for month in verdict.months if month.dataset != ACTUAL and month.published_snapshot_at]
    return ReportData(
        database=bill.config.database,
        at=dt.datetime.now(dt.UTC),
        enrollments=sorted({month.enrollment_number for month in checks}),
        currencies=list(bill.currencies),
        months=list(bill.months),
        reconciliations=bounded.take(
            "reconciliations",
            read_reconciliations(bill, checks, snapshots),
            lambda month: (month.status == "ok", -month.month),
        ),
        problems=bounded.take("problems", list(_problems(verdict))),
        cuts=[],
        resources=[],
        resource_count=0,
        days=[],
        undated=bill.read_cells("date IS NULL"),
        unallocated=read_unallocated(bill),
        suggestions=[],
        suggestions_missing="",
        in_conflict=bill.read_cells(is_in_conflict(bill)),
        conflicts=bounded.take("conflicts", read_conflicts(bill)),
        restatements=bounded.take(
            "restatements", read_restatements(bill, checks, snapshots), lambda restated: -restated.month
        ),
        findings=bounded.take("findings", read_findings(bill), lambda finding: -finding.month),
        rules=RULES,
        loads=bounded.take("loads", loads(snapshots)),
        amortized_months=len({month.billing_month for month in amortized}),
        left_out=bounded.left_out,
    )


def _add_cuts(data: ReportData, bill: Bill, tags: Sequence[str]) -> None:
    """Add the cuts, days and resources: as many values and resources as the page has room for."""
    listings = read_listings(bill, tags)
    daily = bound_days(read_days(bill, listings[0]), data.left_out)
    most = max(1, *(len(listing.values) for listing in listings))
    while True:
        shown = [listing.shortened(most) for listing in listings]
        data.cuts, data.resource_count = read_cuts(bill, shown)
        data.days = days(daily, shown[0])
        size, of_cuts = size_of(data), size_of(data.cuts)
        room = MOST_BYTES_WITHOUT_RESOURCES - (size - of_cuts)
        if of_cuts <= room or most == 1:
            break
        most = max(1, min(most - 1, most * room // of_cuts))
    data.resources = fitting(read_resources(bill, shown), MOST_RESOURCES, MOST_BYTES - size)


def _problems(verdict: CheckResult) -> Iterator[Problem]:
    """Yield what no reconciliation says: problems of enrollments, and of months at amortized cost."""
    found = [(one.enrollment_number, one.dataset, one.problems) for one in verdict.enrollments]
    found += [
        (f"{month.enrollment_number}, {month.billing_month:%b %Y}", month.dataset, month.problems)
        for month in verdict.months
        if month.dataset != ACTUAL
    ]
    for name, dataset, problems in found:
        for problem in problems:
            yield shortened(problem.model_copy(update={"text": f"{with_dataset(name, dataset)}: {problem.text}"}))
