"""Files and answers that others have recorded, through the literal command: their sums are those of a plain reading."""

from __future__ import annotations

import csv
import json
from calendar import monthrange
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import pytest
from pipeline.project import ROOT, Project
from tap.scripted import NO_DATA, TOKEN, scripted_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap.scripted import Answer

SAMPLES = ROOT / "tests" / "samples"
COSTS = ("costinbillingcurrency", "cost", "pretaxcost")
MONTHS = {
    "finops-toolkit/EA_ActualCost_Small.csv": "2023-09",
    "finops-toolkit/EA_NoRows.csv": "2023-09",
    "focus_converters/sample-anonymous-ea-export-dataset.csv": "2023-09",
    "koku/azure_camelCased.csv": "2019-07",
    "koku/azure_version_2.csv": "2020-09",
    "koku/costreport_2019_usage_only.csv": "2019-07",
    "opencost/headersets_BOM.csv": "2022-11",
    "opencost/headersets_Enterprise.csv": "2021-02",
    "opencost/headersets_EnterpriseCamel.csv": "2021-02",
    "opencost/headersets_German.csv": "2021-02",
    "opencost/headersets_PayAsYouGo.csv": "2021-02",
    "opencost/headersets_YA.csv": "2021-02",
    "opencost/values_MissingBrackets.csv": "2021-02",
    "opencost/values_VirtualMachine.csv": "2021-02",
    "opencost/values_Template.csv": "2021-02",
}
"""The cost files, the one that can't be read last: each of its rows is a field shorter than its header."""
FOCUS = "focus-sample-data/focus_1.0_microsoft_rows.csv"
ACCOUNTS = {file: str(1001 + position) for position, file in enumerate(MONTHS)}


def rows_of(file: str) -> list[dict[str, str]]:
    with (SAMPLES / file).open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def cost_of(row: dict[str, str]) -> Decimal | None:
    """The cost of a row by the plainest reading: the first cost column, whatever its case."""
    english = {name.split("(")[-1].rstrip(")").lower(): value for name, value in row.items()}
    text = next(english[name] for name in COSTS if name in english)
    return Decimal(text) if text else None


def export(folder: Path, file: str, account: str, month: str, kind: str = "ActualCost") -> None:
    """Put a sample where an export of the account would have written it, with a manifest."""
    first = date.fromisoformat(f"{month}-01")
    last = first.replace(day=monthrange(first.year, first.month)[1])
    run = folder / account / f"{first:%Y%m%d}-{last:%Y%m%d}" / "run"
    run.mkdir(parents=True)
    content = (SAMPLES / file).read_bytes()
    (run / "part0.csv").write_bytes(content)
    size = {"byteCount": len(content), "dataRowCount": len(rows_of(file))}
    manifest = {
        "manifestVersion": "2024-04-01",
        "blobCount": 1,
        **size,
        "exportConfig": {
            "resourceId": f"/providers/Microsoft.Billing/billingAccounts/{account}"
            "/providers/Microsoft.CostManagement/exports/sample",
            "type": kind,
            "timeFrame": "TheLastMonth",
        },
        "deliveryConfig": {"fileFormat": "Csv", "compressionMode": "None"},
        "runInfo": {
            "submittedTime": "2024-06-05T04:00:00.0000000Z",
            "runId": f"run-of-{account}",
            "startDate": f"{first}T00:00:00",
            "endDate": f"{last}T00:00:00",
        },
        "blobs": [{"blobName": f"costs/{account}/part0.csv", **size}],
    }
    (run / "manifest.json").write_text(json.dumps(manifest))


def account_settings(accounts: dict[str, str]) -> dict[str, str]:
    """The settings of several accounts, in their order."""
    enrollments = json.dumps([{"enrollment_number": account} for account in accounts.values()])
    return {"TAP_AZURE_EA_BILLING_ENROLLMENTS": enrollments, "TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER": ""}


class Loaded(NamedTuple):
    """What the warehouse has of an account's month: rows and exact cost by the tap, published and rejected cost."""

    rows: int
    cost: Decimal
    kept: Decimal


def loaded(project: Project) -> dict[str, Loaded]:
    """What the warehouse has, by account."""
    months = project.query(
        "SELECT enrollment_number AS account, toUInt32(row_count) AS rows, toString(extended_cost) AS cost, "
        "rejected_extended_cost AS rejected FROM {db}.azure_billing_month"
    )
    published = project.query(
        "SELECT enrollment_number AS account, sum(extended_cost) AS cost FROM {db}.azure_billing_detail GROUP BY ALL"
    )
    shown = {row["account"]: Decimal(row["cost"]) for row in published}
    return {
        row["account"]: Loaded(
            row["rows"], Decimal(row["cost"]), shown.get(row["account"], Decimal(0)) + Decimal(row["rejected"])
        )
        for row in months
    }


def assert_sum(month: Loaded, costs: list[Decimal], what: str) -> None:
    """The month row has the sum to the last digit, view and rejected rows to a millionth."""
    assert month.cost == sum(costs), what
    assert abs(month.kept - sum(costs)) < Decimal("1e-6"), what


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project(rows=1, page_size=1)


def test_every_cost_file_has_the_sum_of_a_plain_reading(project: Project, tmp_path: Path) -> None:
    for file, month in MONTHS.items():
        export(tmp_path, file, ACCOUNTS[file], month)
    ended = project.pipeline(
        **account_settings(ACCOUNTS),
        TAP_AZURE_EA_BILLING_SOURCE="exports",
        TAP_AZURE_EA_BILLING_EXPORTS_URL=str(tmp_path),
        TAP_AZURE_EA_BILLING_START_DATE="2019-07",
        TAP_AZURE_EA_BILLING_END_DATE="2023-09",
    )
    assert ended.returncode == 1
    refused = ACCOUNTS["opencost/values_Template.csv"]
    assert f"Enrollment {refused}" in ended.stdout
    months = loaded(project)
    assert months.keys() == set(ACCOUNTS.values()) - {refused}
    for file, account in ACCOUNTS.items():
        if account == refused:
            continue
        costs = [cost for row in rows_of(file) if (cost := cost_of(row)) is not None]
        assert months[account].rows == len(rows_of(file)), file
        assert_sum(months[account], costs, file)


def test_the_focus_file_has_the_sum_of_its_billed_cost(project: Project, tmp_path: Path) -> None:
    export(tmp_path, FOCUS, "2001", "2024-09", "FocusCost")
    project.load(
        TAP_AZURE_EA_BILLING_SOURCE="exports",
        TAP_AZURE_EA_BILLING_EXPORT_TYPE="focus",
        TAP_AZURE_EA_BILLING_EXPORTS_URL=str(tmp_path),
        TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER="2001",
        TAP_AZURE_EA_BILLING_START_DATE="2024-09",
        TAP_AZURE_EA_BILLING_END_DATE="2024-09",
    )
    costs = [Decimal(row["BilledCost"]) for row in rows_of(FOCUS)]
    assert_sum(loaded(project)["2001"], costs, FOCUS)


def test_answers_of_resource_manager_have_the_costs_that_they_name(project: Project) -> None:
    answers: list[Answer] = []
    costs: dict[str, list[Decimal]] = {}
    for file, account, cost in (
        ("UsageDetailsListByBillingAccount.json", "1234", "cost"),
        ("UsageDetailsListByMCABillingAccount.json", "1234:56789", "costInBillingCurrency"),
    ):
        example = json.loads((SAMPLES / "azure-rest-api-specs" / file).read_text(), parse_float=Decimal)
        body = example["responses"]["200"]["body"]
        costs[account] = [row["properties"][cost] for row in body["value"]]
        answers.append((200, json.dumps(body, default=float).encode(), {}))
    with scripted_api([*answers, NO_DATA]) as api:
        project.load(
            **account_settings({account: account for account in costs}),
            TAP_AZURE_EA_BILLING_SOURCE="arm",
            TAP_AZURE_EA_BILLING_ARM_URL=api.url.removesuffix("/rest"),
            TAP_AZURE_EA_BILLING_AUTH="token",
            TAP_AZURE_EA_BILLING_ACCESS_TOKEN=TOKEN,
            TAP_AZURE_EA_BILLING_START_DATE="2019-03",
            TAP_AZURE_EA_BILLING_END_DATE="2019-03",
        )
    months = loaded(project)
    for account, of_account in costs.items():
        assert_sum(months[account], of_account, account)
