"""Whether each month adds up, what restatements changed, and the loads: the verdicts of `check`, with known costs."""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from azure_billing_warehouse.costs import same_cost
from azure_billing_warehouse.report.data import ApplicationRestatement, Load, Reconciliation, Restatement
from azure_billing_warehouse.report.rows import AMOUNTS, COST, KNOWN_COST, SUMS, is_any
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, literal, qualified
from azure_billing_warehouse.schema.views import APPLICATION
from azure_billing_warehouse.tables import ACTUAL, AzureBillingDetail, BillingIssue

if TYPE_CHECKING:
    import datetime as dt
    import decimal
    from collections.abc import Iterable, Sequence

    from azure_billing_warehouse.check.checks import Problem
    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.check.verdict import MonthCheck
    from azure_billing_warehouse.report.rows import Bill

MOST_LOADS = 400
_MOST_APPLICATIONS = 20
_MOST_OF_A_TEXT = 500
_MOST_NOTES = 20
_KEY = ", ".join(SNAPSHOT_KEY)


class _Staged(NamedTuple):
    cost: float = 0.0
    cost_with_tax: float = 0.0
    rows: int = 0
    unknown: int = 0
    currencies: Sequence[str] = ()


class _Rejected(NamedTuple):
    rows: int = 0
    cost: float = 0.0
    unknown: int = 0


def read_reconciliations(
    bill: Bill, checks: Sequence[MonthCheck], snapshots: Iterable[Snapshot]
) -> list[Reconciliation]:
    """Return the reconciliation of each month of each enrollment, in the order of the verdicts."""
    partitions = {snapshot.key: snapshot.partition_id for snapshot in snapshots}
    newest = [check.snapshot.partition_id for check in checks if check.snapshot]
    staged = _read_staged(bill, {*newest, *(_partition(partitions, check) for check in checks)})
    rejected = _read_rejected(bill)
    places = _places(bill)
    found = []
    for check in checks:
        snapshot = check.snapshot
        row = snapshot.month_row if snapshot else None
        kept = staged.get(snapshot.partition_id, _Staged()) if snapshot else _Staged()
        refused = rejected.get(snapshot.key, _Rejected()) if snapshot else _Rejected()
        currencies = staged.get(_partition(partitions, check), _Staged()).currencies
        found.append(
            Reconciliation(
                enrollment_number=check.enrollment_number,
                month=places[check.billing_month],
                status=check.status,
                problems=[shortened(problem) for problem in check.problems],
                notes=[_short(note) for note in check.notes[:_MOST_NOTES]],
                currencies=sorted(bill.currency(name) for name in currencies),
                snapshot_at=snapshot.snapshot_at if snapshot else None,
                is_published=snapshot is not None and snapshot.snapshot_at == check.published_snapshot_at,
                published_snapshot_at=check.published_snapshot_at,
                api_rows=row.row_count if row else None,
                api_cost=_digits(row.extended_cost) if row and row.extended_cost is not None else None,
                staged_rows=kept.rows,
                staged_cost=kept.cost,
                staged_cost_with_tax=kept.cost_with_tax,
                staged_unknown=kept.unknown,
                rejected_rows=refused.rows,
                rejected_cost=refused.cost,
                rejected_unknown=refused.unknown,
            )
        )
    return found


def read_restatements(bill: Bill, checks: Iterable[MonthCheck], snapshots: Iterable[Snapshot]) -> list[Restatement]:
    """Return what the published snapshots changed against the complete ones before them, by application.

    The applications are those with the largest change of cost, at most 20; the sums are of all.
    """
    partitions = {snapshot.key: snapshot.partition_id for snapshot in snapshots}
    restated = [
        (check, check.restatement, partitions.get((*_month_key(check), check.restatement.snapshot_at), ""))
        for check in checks
        if check.restatement
    ]
    chosen = {partition for check, _, before in restated for partition in (before, _partition(partitions, check))}
    costs = _read_applications(bill, chosen)
    places = _places(bill)
    found = []
    for check, restatement, partition in restated:
        before, after = costs.get(partition, {}), costs.get(_partition(partitions, check), {})
        changes = [
            ApplicationRestatement(name and _short(name), before.get(name, 0.0), after.get(name, 0.0))
            for name in {**before, **after}
        ]
        changes = [change for change in changes if not same_cost(change.cost, change.cost_before)]
        changes.sort(key=lambda change: (-abs(change.cost - change.cost_before), change.application or ""))
        if check.published_snapshot_at:
            found.append(
                Restatement(
                    enrollment_number=check.enrollment_number,
                    month=places[check.billing_month],
                    before_at=restatement.snapshot_at,
                    at=check.published_snapshot_at,
                    rows_before=restatement.row_count_before,
                    rows=restatement.row_count,
                    cost_before=math.fsum(before.values()),
                    cost=math.fsum(after.values()),
                    applications=changes[:_MOST_APPLICATIONS],
                )
            )
    return found


def loads(snapshots: Iterable[Snapshot]) -> list[Load]:
    """Return the extractions, the newest first."""
    found = []
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.snapshot_at, reverse=True):
        row = snapshot.month_row
        found.append(
            Load(
                enrollment_number=snapshot.enrollment_number,
                month=snapshot.billing_month,
                at=snapshot.snapshot_at,
                state=_state(snapshot),
                rows=row.row_count if row else None,
                seconds=(row.completed_at - row.started_at).total_seconds() if row else None,
            )
        )
    return found


def _state(snapshot: Snapshot) -> Literal["published", "superseded", "not complete"]:
    if not snapshot.complete:
        return "not complete"
    return "published" if snapshot.published else "superseded"


def shortened(problem: Problem) -> Problem:
    """Return a problem with a text of bounded length."""
    return problem.model_copy(update={"text": _short(problem.text)})


def _short(text: str) -> str:
    return text if len(text) <= _MOST_OF_A_TEXT else f"{text[: _MOST_OF_A_TEXT - 1]}…"


def _month_key(check: MonthCheck) -> tuple[str, str, dt.date]:
    return check.enrollment_number, check.dataset, check.billing_month


def _partition(partitions: dict[tuple[str, str, dt.date, dt.datetime], str], check: MonthCheck) -> str:
    """Return the partition of the published snapshot of a month; '' if it has none."""
    if check.published_snapshot_at is None:
        return ""
    return partitions.get((*_month_key(check), check.published_snapshot_at), "")


def _places(bill: Bill) -> dict[dt.date, int]:
    return {month.month: place for place, month in enumerate(bill.months) if not month.is_comparison}


def _digits(cost: decimal.Decimal) -> str:
    text = f"{cost:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _of_partitions(bill: Bill, partitions: Iterable[str]) -> str:
    named = is_any(sorted({*partitions} - {""}))
    return f"FROM {qualified(bill.config, AzureBillingDetail.table)} FINAL WHERE _partition_id IN {named}"


def _read_staged(bill: Bill, partitions: Iterable[str]) -> dict[str, _Staged]:
    rows = f"SELECT _partition_id AS partition_id, {AMOUNTS} {_of_partitions(bill, partitions)}"
    return {
        partition: _Staged(*facts)
        for partition, *facts in bill.query(
            f"SELECT partition_id, {SUMS}, groupUniqArray(currency) FROM ({rows}) GROUP BY partition_id"
        )
    }


def _read_rejected(bill: Bill) -> dict[tuple[Any, ...], _Rejected]:
    by_row = (
        f"SELECT {_KEY}, row_number, any({COST}) AS cost FROM {qualified(bill.config, BillingIssue.table)} FINAL "
        f"WHERE dataset = {literal(ACTUAL)} AND severity = 'reject' AND {bill.of_interest()} "
        f"GROUP BY {_KEY}, row_number"
    )
    rows = bill.query(
        f"SELECT {_KEY}, count(), {KNOWN_COST}, countIf(NOT isFinite(cost)) FROM ({by_row}) GROUP BY {_KEY}"
    )
    return {tuple(row[: len(SNAPSHOT_KEY)]): _Rejected(*row[len(SNAPSHOT_KEY) :]) for row in rows}


def _read_applications(bill: Bill, partitions: Iterable[str]) -> dict[str, dict[str | None, float]]:
    application = APPLICATION.format(row="")
    rows = (
        f"SELECT _partition_id AS partition_id, {application} AS application, {COST} AS cost "
        f"{_of_partitions(bill, partitions)}"
    )
    found: dict[str, dict[str | None, float]] = {}
    for partition, name, cost in bill.query(
        f"SELECT partition_id, application, {KNOWN_COST} FROM ({rows}) GROUP BY partition_id, application"
    ):
        found.setdefault(partition, {})[name] = cost
    return found
