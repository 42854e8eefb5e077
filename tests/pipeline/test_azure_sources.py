"""Today's sources through the literal command: Microsoft's storage emulator, and a simulated Resource Manager."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from pipeline.project import ENROLLMENT, PIPELINE, Project

from sandbox.exports.destination import destination
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import running_arm, running_storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.exports.write import Truths

VIEWS = {"actual": "azure_billing_detail", "amortized": "azure_billing_amortized"}
MONTHS = ("2026-08", "2026-09")
PLAN = ExportOptions(account=ENROLLMENT, months=MONTHS, runs=("+1",), rows=400, file_format="parquet")

Sums = dict[tuple[str, str], tuple[int, Decimal]]


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project(rows=1, page_size=1)


def shown(project: Project) -> Sums:
    """Rows and cost by dataset and month, those in the view and the rejected ones."""
    rejected = {
        (row["dataset"], row["month"]): (row["rows"], Decimal(row["cost"]))
        for row in project.query(
            "SELECT dataset, formatDateTime(billing_month, '%Y-%m') AS month, toUInt32(rejected_row_count) AS rows, "
            "rejected_extended_cost AS cost FROM {db}.azure_billing_month"
        )
    }
    sums: Sums = {}
    for dataset, view in VIEWS.items():
        for row in project.query(
            "SELECT formatDateTime(billing_month, '%Y-%m') AS month, toUInt32(count()) AS rows, "  # noqa: S608 - our view
            f"sum(extended_cost) AS cost, groupUniqArray(dataset) AS datasets FROM {{db}}.{view} GROUP BY month"
        ):
            assert row["datasets"] == [dataset]
            rows, cost = rejected[dataset, row["month"]]
            sums[dataset, row["month"]] = rows + row["rows"], cost + Decimal(row["cost"])
    return sums


def assert_shown(project: Project, truths: Truths) -> None:
    """Each view has the months of its dataset, every row of them, and their cost to a millionth; no view has both."""
    sums = shown(project)
    expected = {(dataset, month): truth for dataset, of in truths.items() for month, truth in of.items()}
    assert sums.keys() == expected.keys()
    for key, truth in expected.items():
        assert sums[key][0] == truth.rows
        assert abs(sums[key][1] - truth.cost) < Decimal("1e-6")
    exact = project.query("SELECT toString(sum(extended_cost)) AS cost FROM {db}.azure_billing_month")
    assert Decimal(exact[0]["cost"]) == sum(truth.cost for truth in expected.values())


def test_exports_in_azure_storage_are_loaded_restated_and_never_in_part(project: Project, tmp_path: Path) -> None:
    with running_storage(tmp_path) as storage:
        container = destination(storage.url, storage.key)
        settings = {
            "TAP_AZURE_EA_BILLING_SOURCE": "exports",
            "TAP_AZURE_EA_BILLING_EXPORTS_URL": f"{storage.url}/costs",
            "TAP_AZURE_EA_BILLING_AUTH": "sas",
            "TAP_AZURE_EA_BILLING_SAS_TOKEN": storage.sas,
            "TAP_AZURE_EA_BILLING_DATASETS": "actual,amortized",
            "TAP_AZURE_EA_BILLING_END_DATE": MONTHS[-1],
        }
        truths = write_exports(PLAN, container)
        said = project.load(**settings)
        assert_shown(project, truths)
        assert project.warehouse("check", "--last-month", MONTHS[-1]).returncode == 0
        assert storage.sas not in said
        assert "sig=" not in said

        restated = write_exports(replace(PLAN, months=MONTHS[1:], runs=("+2",), file_format="csv.gz"), container)
        for dataset, months in restated.items():
            assert months[MONTHS[1]].cost != truths[dataset][MONTHS[1]].cost
            truths[dataset] |= months
        said = project.load(**settings)
        assert f"Enrollment {ENROLLMENT}: months to read: {MONTHS[1]}." in said
        assert f"Enrollment {ENROLLMENT} (amortized): months to read: {MONTHS[1]}." in said
        assert_shown(project, truths)

        write_exports(replace(PLAN, runs=("+3",), traps=("missing-part",)), container)
        ended = project.pipeline(**settings)
        assert ended.returncode == 1
        assert f"Enrollment {ENROLLMENT}, actual costs, month {MONTHS[0]}" in ended.stdout
        assert_shown(project, truths)


def test_resource_manager_is_waited_for_and_a_refused_token_changes_nothing(
    new_project: Callable[..., Project],
) -> None:
    project = new_project(rows=1, page_size=1)
    throttled = "usage:429=x-ms-ratelimit-microsoft.consumption-retry-after:1@1"
    with running_arm(account=ENROLLMENT, rows=300, faults=[throttled]) as arm:
        settings = {
            "TAP_AZURE_EA_BILLING_SOURCE": "arm",
            "TAP_AZURE_EA_BILLING_ARM_URL": arm.url,
            "TAP_AZURE_EA_BILLING_AUTH": "token",
            "TAP_AZURE_EA_BILLING_ACCESS_TOKEN": arm.token(),
            "TAP_AZURE_EA_BILLING_START_DATE": MONTHS[1],
            "TAP_AZURE_EA_BILLING_END_DATE": MONTHS[1],
        }
        said = project.load(**settings)
        before = shown(project)
        served = arm.served()["actual"][MONTHS[1]]
        assert before == {("actual", MONTHS[1]): (served["rows"], before["actual", MONTHS[1]][1])}
        assert abs(before["actual", MONTHS[1]][1] - Decimal(served["cost"])) < Decimal("1e-6")
        assert settings["TAP_AZURE_EA_BILLING_ACCESS_TOKEN"] not in said
        refused = {"TAP_AZURE_EA_BILLING_SOURCE": "cost_details", "TAP_AZURE_EA_BILLING_ACCESS_TOKEN": "wrong"}
        ended = project.meltano("run", "--full-refresh", *PIPELINE[1:], **settings | refused)
        assert ended.returncode == 1
        assert f"Enrollment {ENROLLMENT}, month {MONTHS[1]}" in ended.stdout
        assert "token" in ended.stdout
        assert shown(project) == before
