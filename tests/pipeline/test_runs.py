"""The literal command over time: again, restated, broken off, killed; what is published must stay whole months."""

from __future__ import annotations

import os
import re
import signal
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from pipeline.project import ENROLLMENT, Project

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

MONTHS = ("2026-08", "2026-09", "2026-10")
NO_RETRIES = {"TAP_AZURE_EA_BILLING_MAX_RETRIES": "0"}
ALWAYS_OPEN = {"TAP_AZURE_EA_BILLING_RESTATEMENT_DAYS": "36500"}


def assert_published(project: Project, *months: str) -> None:
    """These months are published, each with what the API serves of it now, to the row and the cost."""
    served = project.api.served(ENROLLMENT)
    rejected = {
        row["month"]: (row["rows"], Decimal(row["cost"]))
        for row in project.query(
            "SELECT formatDateTime(billing_month, '%Y-%m') AS month, toUInt32(rejected_row_count) AS rows, "
            "rejected_extended_cost AS cost FROM {db}.azure_billing_month"
        )
    }
    published = project.published()
    assert tuple(published) == months
    for month, (rows, cost) in published.items():
        assert rows + rejected[month][0] == served[month]["row_count"]
        total = Decimal(cost) + rejected[month][1]
        assert abs(total - Decimal(served[month]["extended_cost"])) < Decimal("1e-6")


def requested_months(project: Project) -> set[str]:
    return {request["month"] for request in project.api.requests() if request["authorized"]}


def test_a_second_run_goes_on_from_the_state_and_gives_the_same_totals(new_project: Callable[..., Project]) -> None:
    project = new_project(rows=400, page_size=150, last="2026-11")
    project.load()
    assert requested_months(project) == set(MONTHS)
    assert_published(project, *MONTHS)
    project.api.clear_requests()
    project.load()
    assert requested_months(project) == set()  # all of them are final
    assert_published(project, *MONTHS)
    project.settings["TAP_AZURE_EA_BILLING_END_DATE"] = "2026-11-30"
    project.load()
    assert requested_months(project) == {"2026-11"}
    assert_published(project, *MONTHS, "2026-11")


def test_a_start_date_moved_back_is_told_with_the_command_that_loads_the_gap(
    new_project: Callable[..., Project],
) -> None:
    project = new_project(rows=200, page_size=150)
    project.load(TAP_AZURE_EA_BILLING_START_DATE="2026-10")
    project.api.clear_requests()
    (line,) = (line for line in project.load().splitlines() if "later than start_date" in line)
    assert requested_months(project) == set()
    *assigned, command = re.findall(r"\w+_DATE=\S+|meltano run .*", line)
    other = f"{project.database}_tags"
    project.clickhouse.execute(f"CREATE DATABASE {other}")
    project.clickhouse.execute(
        f"CREATE TABLE {other}.tags ENGINE = Memory AS SELECT 1 AS id, 'everything' AS resource_tracking"
    )
    ended = project.meltano(
        *command.split()[1:],
        **dict(each.split("=") for each in assigned),
        MAPPER_AZURE_BILLING_TRACKING_TAX_RATE="0.5",
        MAPPER_AZURE_BILLING_TRACKING_PATTERNS_TABLE=f"{other}.tags",
    )
    assert ended.returncode == 0, ended.stdout
    assert f"Read 1 tracking pattern from {other}.tags" in ended.stdout
    assert requested_months(project) == {"2026-08", "2026-09"}
    assert_published(project, *MONTHS)
    taxed = "SELECT round(sum(extended_cost_tax) / sum(extended_cost), 2) AS rate, billing_month AS month"
    rates = project.query(f"{taxed} FROM {{db}}.azure_billing_detail GROUP BY month ORDER BY month")
    assert [row["rate"] for row in rates] == [1.5, 1.5, 1.06]


def test_a_restated_month_replaces_the_one_before_whatever_became_of_its_rows(
    new_project: Callable[..., Project],
) -> None:
    project = new_project(rows=400, page_size=150)
    project.load(**ALWAYS_OPEN)
    before = project.published()
    project.api.set_revision(ENROLLMENT, MONTHS[1], 2)
    project.load(**ALWAYS_OPEN)
    assert_published(project, *MONTHS)
    after = project.published()
    assert after[MONTHS[1]] != before[MONTHS[1]]
    assert after[MONTHS[0]] == before[MONTHS[0]]


def test_a_failure_in_the_third_month_publishes_the_first_two_and_the_next_run_goes_on_with_it(
    new_project: Callable[..., Project],
) -> None:
    project = new_project(rows=400, page_size=150)  # three pages a month
    project.api.set_faults(["500@8-999"])
    ended = project.pipeline(**NO_RETRIES)
    assert ended.returncode != 0
    assert "2026-10" in ended.stdout
    assert_published(project, *MONTHS[:2])
    project.api.set_faults([])
    project.api.clear_requests()
    project.load()
    assert MONTHS[0] not in requested_months(project)
    assert_published(project, *MONTHS)


def test_a_failed_extraction_of_a_restated_month_leaves_the_snapshot_before_it(
    new_project: Callable[..., Project],
) -> None:
    project = new_project(rows=400, page_size=150)  # three pages a month
    project.load(**ALWAYS_OPEN)
    before = project.published()
    project.api.set_revision(ENROLLMENT, MONTHS[2], 1)
    project.api.set_faults(["malformed@8-999"])
    assert project.pipeline(**NO_RETRIES, **ALWAYS_OPEN).returncode != 0
    assert project.published() == before
    project.api.set_faults([])
    project.load(**ALWAYS_OPEN)
    assert_published(project, *MONTHS)


@pytest.mark.parametrize("requests", [2, 33])
def test_a_run_killed_at_any_point_publishes_whole_months_only(
    new_project: Callable[..., Project], requests: int
) -> None:
    project = new_project(rows=1500, page_size=100)  # fifteen pages a month
    process = project.start_pipeline()
    _wait_for_requests(project, process, requests)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    published = tuple(project.published())
    assert published == MONTHS[: len(published)]
    assert_published(project, *published)
    ended = project.pipeline_after_a_kill()
    assert ended.returncode == 0, ended.stdout
    assert_published(project, *MONTHS)


def _wait_for_requests(project: Project, process: subprocess.Popen[str], requests: int) -> None:
    deadline = time.monotonic() + 120
    while len(project.api.requests()) < requests:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)  # asking without a pause takes the CPU that the run needs


def test_the_job_loads_and_checks(new_project: Callable[..., Project]) -> None:
    project = new_project(rows=100, page_size=150)
    ended = project.meltano("run", "azure-billing")
    assert ended.returncode == 0, ended.stdout
    assert "3 months: All of them add up." in ended.stdout
    assert_published(project, *MONTHS)
    expected = project.meltano("invoke", "warehouse", "check", TAP_AZURE_EA_BILLING_START_DATE="2026-07")
    assert expected.returncode == 1, "what the tap is told to load must be there"
    assert "2026-07  FAILS  never loaded" in expected.stdout
