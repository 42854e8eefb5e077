"""Actual and amortized cost of one month side by side, in new tables and in those of a version without datasets."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from warehouse.loading import AUGUST, ENROLLMENT, FIRST, SECOND, SEPTEMBER, Warehouse

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.table import render
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import WarehouseError, connect
from azure_billing_warehouse.prune import prune
from azure_billing_warehouse.report.content import read_report
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.tables import ACTUAL, AMORTIZED, WAREHOUSE_TABLES
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.load_guard import LoadGuard, LoadRefusedError
from mapper_azure_billing_tracking.tallies import SnapshotKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure_billing_warehouse.check.verdict import CheckResult
    from azure_billing_warehouse.config import ClickHouseConfig
    from sandbox.launch import ClickHouse

OLD_TABLES = (Path(__file__).parent / "tables_without_datasets.sql").read_text(encoding="utf-8")
A_SECOND = dt.timedelta(seconds=1)
THIRD = SECOND + dt.timedelta(days=1)
KINDS = ("made by this version", "of a version without datasets")


def make_old_tables(clickhouse: ClickHouse, config: ClickHouseConfig) -> None:
    clickhouse.execute(f"CREATE DATABASE {config.database}")
    for statement in OLD_TABLES.split(";\n"):
        if statement.strip():
            clickhouse.execute(statement.replace("CREATE TABLE ", f"CREATE TABLE {config.database}."))


@pytest.fixture(params=KINDS)
def either(request: pytest.FixtureRequest, clickhouse: ClickHouse, config: ClickHouseConfig) -> Iterator[Warehouse]:
    """Tables of either kind."""
    if request.param == KINDS[1]:
        make_old_tables(clickhouse, config)
    ensure_tables(config)
    with connect(config) as client:
        yield Warehouse(config, client)


def costs(warehouse: Warehouse, view: str) -> list[float]:
    return [row["extended_cost"] for row in warehouse.query(f"SELECT extended_cost FROM {view} ORDER BY ALL")]


def checked(warehouse: Warehouse, **expected: Any) -> CheckResult:
    verdict = check(warehouse.config, expected=Expectations(**{"last_month": AUGUST, **expected}))
    assert verdict is not None
    return verdict


def test_what_old_tables_hold_is_actual_and_they_are_upgraded_once(
    clickhouse: ClickHouse, config: ClickHouseConfig
) -> None:
    make_old_tables(clickhouse, config)
    with connect(config) as client:
        old = Warehouse(config, client)
        old.load([1.0, 2.0])
        old.reject([3.0], first_row=3)
        columns = (
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '{}' ORDER BY position"
        )
        before = {model.table: old.query(columns.format(model.table)) for model in WAREHOUSE_TABLES}
        ensure_tables(config)
        for model in WAREHOUSE_TABLES:
            after = old.query(columns.format(model.table))
            assert after[: len(before[model.table])] == before[model.table]
            assert {row["name"] for row in after} == {column.name for column in model.columns()}
        shown = old.query(
            "SELECT dataset, extended_cost, pricing_model, unit_price FROM azure_billing_detail ORDER BY ALL"
        )
        assert [tuple(row.values()) for row in shown] == [(ACTUAL, 1.0, None, None), (ACTUAL, 2.0, None, None)]
        assert old.query("SELECT dataset, run_id, blob_count FROM azure_billing_month") == [
            {"dataset": ACTUAL, "run_id": None, "blob_count": None}
        ]
        assert costs(old, "azure_billing_amortized") == []
        tables = (
            "SELECT name, metadata_version, create_table_query FROM system.tables WHERE database = currentDatabase()"
        )
        made = old.query(tables)
        ensure_tables(config)
        assert old.query(tables) == made


def test_a_table_sorted_by_snapshot_without_dataset_must_be_partitioned_so(
    clickhouse: ClickHouse, config: ClickHouseConfig
) -> None:
    make_old_tables(clickhouse, config)
    clickhouse.execute(f"DROP TABLE {config.database}.dq_billing_issue")
    clickhouse.execute(
        f"CREATE TABLE {config.database}.dq_billing_issue (enrollment_number String, billing_month Date, snapshot_at "
        "DateTime64(3, 'UTC'), row_number UInt64, rule String, column String) ENGINE = ReplacingMergeTree "
        "PARTITION BY billing_month ORDER BY (enrollment_number, billing_month, snapshot_at, row_number, rule, column)"
    )
    with pytest.raises(WarehouseError, match=r"by snapshot \(enrollment_number, billing_month, snapshot_at\)"):
        ensure_tables(config)


def test_each_dataset_has_its_views_check_prune_and_report(either: Warehouse) -> None:
    either.load([1.0, 2.0])
    either.load([100.0], snapshot=FIRST + A_SECOND, dataset=AMORTIZED)
    for dataset, snapshot, cost in ((ACTUAL, SECOND, 5.0), (AMORTIZED, SECOND + A_SECOND, 500.0)):
        either.stage([cost], snapshot=snapshot, dataset=dataset)
        either.reject([cost], first_row=2, snapshot=snapshot, dataset=dataset)
        either.audit(cost, conflict=True, snapshot=snapshot, dataset=dataset)
        assert costs(either, "azure_billing_detail") == ([1.0, 2.0] if dataset == ACTUAL else [5.0])
        assert costs(either, "azure_billing_amortized") == [100.0]
        either.finish(
            [cost], snapshot=snapshot, rejected=[cost], audit_count=1, dataset=dataset, run_id="r", byte_count=7
        )
    assert (costs(either, "azure_billing_detail"), costs(either, "azure_billing_amortized")) == ([5.0], [500.0])
    for view in ("azure_billing_issue", "azure_tagging_audit", "azure_billing_month"):
        found = either.query(f"SELECT DISTINCT dataset, snapshot_at FROM {view} ORDER BY dataset")
        assert [tuple(row.values()) for row in found] == [(ACTUAL, SECOND), (AMORTIZED, SECOND + A_SECOND)]

    verdict = checked(either)
    assert either.scalar("SELECT countIf(counted_row_count IS NULL) FROM stg_azure_billing_month FINAL") == 0
    assert (costs(either, "azure_billing_detail"), costs(either, "azure_billing_amortized")) == ([5.0], [500.0])
    assert [(month.dataset, month.status, month.problems) for month in verdict.months] == [
        (ACTUAL, "ok", []),
        (AMORTIZED, "ok", []),
    ]
    assert [month.restatement and month.restatement.extended_cost for month in verdict.months] == [5.0, 500.0]
    assert verdict.months[1].snapshot is not None
    assert verdict.months[1].snapshot.month_row is not None
    assert (verdict.months[1].snapshot.month_row.run_id, verdict.months[1].snapshot.month_row.byte_count) == ("r", 7)

    report = read_report(either.config)
    assert report.amortized_months == 1
    assert [cell.cost for cut in report.cuts for value in cut.values for cell in value.cells] == [5.0] * 9
    (month,) = (month for month in report.reconciliations if month.snapshot_at)
    assert (month.staged_cost, month.rejected_cost, [load.rows for load in report.loads]) == (5.0, 5.0, [2, 2])
    assert not any("Aug 2026" in problem.text for problem in report.problems)
    assert "Sep 2026, amortized: the month was never loaded" in " ".join(problem.text for problem in report.problems)

    pruned = prune(either.config, keep=1, dry_run=False)
    assert [(snapshot.dataset, snapshot.snapshot_at) for snapshot in pruned] == [
        (ACTUAL, FIRST),
        (AMORTIZED, FIRST + A_SECOND),
    ]
    assert costs(either, "stg_azure_billing_detail") == [5.0, 500.0]
    either.load([7.0], snapshot=THIRD, dataset=AMORTIZED)
    assert [snapshot.dataset for snapshot in prune(either.config, keep=1, dry_run=False)] == [AMORTIZED]
    assert (costs(either, "azure_billing_detail"), costs(either, "azure_billing_amortized")) == ([5.0], [7.0])


def test_an_expected_month_must_be_there_in_each_dataset_that_is_loaded(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([1.0], month=SEPTEMBER, snapshot=SECOND)
    only_actual = checked(warehouse, last_month=SEPTEMBER)
    assert only_actual.status == "ok"
    assert "dataset" not in render(only_actual)
    warehouse.load([3.0], dataset=AMORTIZED, snapshot=FIRST + A_SECOND)
    verdict = checked(warehouse, last_month=SEPTEMBER)
    assert [
        (month.dataset, month.billing_month, [problem.check for problem in month.problems]) for month in verdict.months
    ] == [
        (ACTUAL, AUGUST, []),
        (ACTUAL, SEPTEMBER, []),
        (AMORTIZED, AUGUST, []),
        (AMORTIZED, SEPTEMBER, ["C1"]),
    ]
    assert [(found.dataset, found.newest_load_at) for found in verdict.enrollments] == [
        (ACTUAL, SECOND),
        (AMORTIZED, FIRST + A_SECOND),
    ]
    lines = render(verdict).splitlines()
    assert lines[1].split()[:3] == ["enrollment", "dataset", "month"]
    assert lines[5].split()[:4] == [ENROLLMENT, AMORTIZED, "2026-09", "FAILS"]
    assert f"{ENROLLMENT} 2026-09, amortized" in lines


def test_the_report_is_of_actual_cost(warehouse: Warehouse) -> None:
    warehouse.load([3.0], dataset=AMORTIZED)
    with pytest.raises(WarehouseError, match="nothing was loaded yet at actual cost"):
        read_report(warehouse.config)


@pytest.mark.parametrize("claims", [True, False], ids=["claimed", "by its month row"])
def test_two_datasets_of_a_month_never_share_an_instant(either: Warehouse, *, claims: bool) -> None:
    """Tables of a version without datasets could not tell their rows apart."""
    settings = ProcessingConfig(output="arrow", create_tables=claims)

    def claim(guard: LoadGuard, dataset: str, instant: dt.datetime) -> None:
        guard.claim([SnapshotKey(ENROLLMENT, dataset, AUGUST, instant)])

    run = LoadGuard(either.config, settings)
    claim(run, ACTUAL, FIRST)
    either.load([1.0])
    for guard in (run, LoadGuard(either.config, settings)):
        with pytest.raises(
            LoadRefusedError, match=f"^Enrollment {ENROLLMENT}, month 2026-08, amortized: .*another dataset"
        ):
            claim(guard, AMORTIZED, FIRST)
        claim(guard, AMORTIZED, (FIRST if guard is run else SECOND) + A_SECOND)
    either.load([2.0], dataset=AMORTIZED, snapshot=SECOND + A_SECOND)
    claim(LoadGuard(either.config, settings), ACTUAL, SECOND)  # a later month row of the other dataset hides nothing
    with pytest.raises(LoadRefusedError, match="would hide it"):
        claim(LoadGuard(either.config, settings), AMORTIZED, SECOND)


CHARGES: list[tuple[str, str | None, str | None, str | None, str | None, float | None, float | None]] = [
    # charge type, pricing model, reservation, benefit and its name, cost in the actual dataset and in the amortized one
    ("Usage", "OnDemand", None, None, None, 10.25, 10.25),
    ("Usage", "Spot", None, None, None, 0.5, 0.5),
    ("Usage", "OnDemand", None, None, None, 0.0, 0.0),
    ("Usage", "Reservation", "r-1", "/providers/Microsoft.Capacity/reservationOrders/o/r-1", "R", 0.0, 3.0),
    ("Usage", None, "r-1", None, None, 0.0, 2.0),
    ("Usage", "SavingsPlan", None, "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o", "S", 0.0, 4.0),
    ("Usage", "SavingsPlan", None, "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o", "S", 0.125, 0.25),
    ("Purchase", "Reservation", "r-1", "/providers/Microsoft.Capacity/reservationOrders/o/r-1", "R", 120.0, None),
    ("Purchase", "SavingsPlan", None, "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o", "S", 60.0, None),
    ("Refund", "Reservation", "r-2", None, "R2", -30.0, None),
    ("Purchase", "OnDemand", None, None, None, 7.0, 7.0),
    ("Refund", "OnDemand", None, None, None, -1.0, -1.0),
    ("RoundingAdjustment", None, None, None, None, -0.01, -0.02),
    ("Tax", None, None, None, None, 1.5, 1.5),
    ("Credit", None, None, None, None, -2.0, -2.0),
    (
        "UnusedReservation",
        "Reservation",
        "r-1",
        "/providers/Microsoft.Capacity/reservationOrders/o/r-1",
        "R",
        None,
        1.0,
    ),
    (
        "UnusedSavingsPlan",
        "SavingsPlan",
        None,
        "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o",
        "S",
        None,
        0.75,
    ),
    ("Usage", "OnDemand", None, None, None, None, 11.0),  # came with the later of the two runs
]
"""A month of charges of all types; None where a dataset doesn't have the row."""


def load_charges(warehouse: Warehouse, month: dt.date, dataset: str) -> float:
    """Load what a dataset has of the month, and return its total."""
    place = 5 if dataset == ACTUAL else 6
    found = [charge for charge in CHARGES if charge[place] is not None]
    amounts = [float(charge[place] or 0) for charge in found]
    columns = zip(*(charge[:5] for charge in found), strict=True)
    names = ("charge_type", "pricing_model", "reservation_id", "benefit_id", "benefit_name")
    warehouse.load(
        amounts,
        month,
        SECOND if dataset == ACTUAL else SECOND + A_SECOND,
        dataset=dataset,
        consumed_quantity=1.0,
        unit_of_measure="1 Hour",
        **{name: list(values) for name, values in zip(names, columns, strict=True)},
    )
    return sum(amounts)


FOCUS_SUMS = (
    "SELECT sum(BilledCost) AS billed, sum(EffectiveCost) AS effective, count() AS rows, "
    "countIf(BilledCost IS NULL) AS unbilled, sum(PricingQuantity) AS quantity "
    "FROM focus_cost_and_usage WHERE BillingPeriodStart = '{:%Y-%m-%d}'"
)


def test_the_sums_of_focus_are_those_of_the_two_datasets(either: Warehouse) -> None:
    actual, amortized = (load_charges(either, AUGUST, dataset) for dataset in (ACTUAL, AMORTIZED))
    assert actual != amortized
    (sums,) = either.query(FOCUS_SUMS.format(AUGUST))
    assert sums["billed"] == pytest.approx(actual, abs=1e-9) == pytest.approx(costs_of(either, "azure_billing_detail"))
    assert sums["effective"] == pytest.approx(amortized, abs=1e-9)
    assert sums["unbilled"] == 0
    charges = sum(charge[6] is not None or charge[0] in {"Purchase", "Refund"} for charge in CHARGES)
    assert sums["quantity"] == charges, "what a row of each dataset stands for counts once"
    kinds = either.query(
        "SELECT x_Dataset AS of, CommitmentDiscountType AS type, CommitmentDiscountStatus AS status, "
        "PricingCategory AS category, ChargeCategory AS charge, sum(BilledCost) AS billed, "
        "sum(EffectiveCost) AS effective FROM focus_cost_and_usage "
        "WHERE CommitmentDiscountType IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in kinds] == [
        (ACTUAL, "Reservation", None, "Standard", "Purchase", 90.0, 0.0),
        (ACTUAL, "Savings Plan", "Used", "Committed", "Usage", 0.125, 0.0),
        (ACTUAL, "Savings Plan", None, "Standard", "Purchase", 60.0, 0.0),
        (AMORTIZED, "Reservation", "Unused", "Committed", "Usage", 0.0, 1.0),
        (AMORTIZED, "Reservation", "Used", "Committed", "Usage", 0.0, 5.0),
        (AMORTIZED, "Savings Plan", "Unused", "Committed", "Usage", 0.0, 0.75),
        (AMORTIZED, "Savings Plan", "Used", "Committed", "Usage", 0.0, 4.25),
    ]


def costs_of(warehouse: Warehouse, view: str) -> float:
    return sum(costs(warehouse, view))


def test_where_a_dataset_is_missing_focus_has_no_cost_that_only_it_knows(warehouse: Warehouse) -> None:
    actual = load_charges(warehouse, AUGUST, ACTUAL)
    amortized = load_charges(warehouse, SEPTEMBER, AMORTIZED)
    (august,) = warehouse.query(FOCUS_SUMS.format(AUGUST))
    assert august["billed"] == pytest.approx(actual)
    effective = warehouse.query(
        "SELECT CommitmentDiscountType IS NOT NULL AS of, ChargeCategory AS charge, sum(EffectiveCost) AS cost "
        "FROM focus_cost_and_usage WHERE BillingPeriodStart = '2026-08-01' AND (of OR charge = 'Usage') GROUP BY ALL "
        "ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in effective] == [(0, "Usage", 10.75), (1, "Purchase", 0.0), (1, "Usage", None)]
    (september,) = warehouse.query(FOCUS_SUMS.format(SEPTEMBER))
    assert september["effective"] == pytest.approx(amortized)
    assert (september["billed"], september["unbilled"]) == (None, september["rows"])


def test_a_month_that_is_empty_in_one_dataset_has_both(warehouse: Warehouse) -> None:
    warehouse.load([2.0])
    warehouse.load([], dataset=AMORTIZED, snapshot=FIRST + A_SECOND)
    assert warehouse.query("SELECT BilledCost, EffectiveCost FROM focus_cost_and_usage") == [
        {"BilledCost": 2.0, "EffectiveCost": 0.0}
    ]


def test_prices_currencies_and_invoices_of_focus_come_from_the_record(warehouse: Warehouse) -> None:
    columns: dict[str, Any] = {
        "unit_price": [0.5, 0.5, 0.0],
        "payg_price": [0.75, 0.75, 0.0],
        "resource_rate": [0.4, 0.4, 0.4],
        "pricing_currency": ["CNY", "USD", None],
        "frequency": ["OneTime", "Recurring", None],
        "invoice_id": "I-1",
        "availability_zone": "2",
        "publisher_name": "Contoso",
        "term": "36",
        "part_number": "P",
    }
    warehouse.load([1.0, 2.0, 3.0], **columns)
    names = (
        *("ContractedUnitPrice", "ListUnitPrice", "PricingCurrency", "PricingCurrencyContractedUnitPrice"),
        *("PricingCurrencyListUnitPrice", "ChargeFrequency"),
    )
    rows = warehouse.query(f"SELECT {', '.join(names)} FROM focus_cost_and_usage ORDER BY BilledCost")
    assert [tuple(row.values()) for row in rows] == [
        (0.5, 0.75, "CNY", 0.5, 0.75, "One-Time"),
        (None, None, "USD", 0.5, 0.75, "Recurring"),
        (0.4, None, None, None, None, "Usage-Based"),
    ]
    told = "InvoiceId, AvailabilityZone, PublisherName, x_SkuTerm, x_SkuPartNumber, x_Dataset"
    (row,) = warehouse.query(f"SELECT DISTINCT {told} FROM focus_cost_and_usage")
    assert tuple(row.values()) == ("I-1", "2", "Contoso", "36", "P", ACTUAL)
