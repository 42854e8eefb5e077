"""Simulated exports as a reader meets them: files, manifests, runs, and the truth against plain `csv` and `Decimal`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from codecs import BOM_UTF8
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from sandbox.bill import columns
from sandbox.bill.charged import Account
from sandbox.bill.charges import Charges, whole_month
from sandbox.bill.forms import Form
from sandbox.cli import main
from sandbox.exports.destination import Folder
from sandbox.exports.plan import ExportOptions
from sandbox.exports.traps import TRAPS
from sandbox.exports.write import Truths, write_exports

MONTH = "2026-08"
MCA = "7c05a543-80ff-571e-9f98-1063b3b53cf2:99ad03ad-2d1b-4889-a452-090ad407d25f_2019-05-31"
COST_COLUMNS = ("costinbillingcurrency", "cost", "pretaxcost", "billedcost")


def written(root: Path, **options: Any) -> Truths:
    wished: dict[str, Any] = {"months": (MONTH,), "rows": 300} | options
    return write_exports(ExportOptions(**wished), Folder(root))


def manifests(root: Path) -> dict[str, dict[str, Any]]:
    return {str(path.parent.relative_to(root)): json.loads(path.read_text()) for path in root.rglob("*manifest.json")}


def csv_rows(path: Path) -> list[dict[str, str]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def cost_column(header: list[str]) -> str:
    return next(name for name in header if name.lower().replace("_", "").replace(" ", "") in COST_COLUMNS)


def added(rows: list[dict[str, str]], column: str | None = None) -> Decimal:
    return sum((Decimal(row[column or cost_column(list(row))]) for row in rows), Decimal(0))


def rows_of(root: Path, truth: Any) -> list[dict[str, str]]:
    return [row for path in sorted((root / truth.folder).glob("*.csv*")) for row in csv_rows(path)]


VERSIONS = [(agreement, version) for agreement in columns.AGREEMENTS for version in columns.versions(agreement)]


@pytest.mark.parametrize(("agreement", "version"), VERSIONS)
def test_each_version_has_its_columns_and_sums_to_the_truth(tmp_path: Path, agreement: str, version: str) -> None:
    account = MCA if agreement == "mca" else "88888888"
    truths = written(tmp_path, account=account, agreement=agreement, version=version)
    for of in truths.values():
        truth = of[MONTH]
        for part in (tmp_path / truth.folder).glob("part_0_*.csv"):
            assert part.read_bytes().startswith(BOM_UTF8)
            assert tuple(csv_rows(part)[0]) == columns.columns(agreement, version)
        rows = rows_of(tmp_path, truth)
        assert (len(rows), added(rows)) == (truth.rows, truth.cost)
    assert truths["actual"][MONTH].cost != truths["amortized"][MONTH].cost


@pytest.mark.parametrize("file_format", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("agreement", columns.AGREEMENTS)
def test_every_format_has_the_same_bill_and_a_manifest_that_agrees(
    tmp_path: Path, agreement: str, file_format: str
) -> None:
    truths = written(tmp_path / "it", agreement=agreement, file_format=file_format, parts=3)
    plain = written(tmp_path / "csv", agreement=agreement)
    assert {d: (of[MONTH].rows, of[MONTH].cost) for d, of in truths.items()} == {
        d: (of[MONTH].rows, of[MONTH].cost) for d, of in plain.items()
    }
    for of in truths.values():
        truth = of[MONTH]
        manifest = manifests(tmp_path / "it")[truth.folder]
        blobs = manifest["blobs"]
        assert (manifest["blobCount"], manifest["byteCount"], manifest["dataRowCount"]) == (
            3,
            truth.byte_count,
            truth.rows,
        )
        assert [(tmp_path / "it" / blob["blobName"]).stat().st_size for blob in blobs] == [
            blob["byteCount"] for blob in blobs
        ]
        assert sum(blob["dataRowCount"] for blob in blobs) == truth.rows
        assert manifest["exportConfig"]["dataVersion"] == columns.NEWEST[agreement]
        if file_format == "parquet":
            table = pl.concat([pl.read_parquet(tmp_path / "it" / blob["blobName"]) for blob in blobs])
            cost = table[cost_column(table.columns)]
            assert (cost.dtype, cost.sum()) == (pl.Decimal(38, 18), truth.cost)
            assert table[next(name for name in table.columns if name.lower() == "date")].dtype == pl.Datetime("ms")
            assert blobs[0]["blobName"].endswith("part_0_0001.snappy.parquet")


def test_commitments_are_purchases_in_actual_and_shares_in_amortized(tmp_path: Path) -> None:
    truths = written(tmp_path)
    rows = {dataset: rows_of(tmp_path, of[MONTH]) for dataset, of in truths.items()}
    kinds = {dataset: {row["ChargeType"] for row in of} for dataset, of in rows.items()}
    assert kinds == {
        "actual": {"Usage", "Purchase", "Refund", "RoundingAdjustment"},
        "amortized": {"Usage", "Purchase", "UnusedReservation", "UnusedSavingsPlan", "RoundingAdjustment"},
    }
    usage = {dataset: [row for row in of if row["ChargeType"] == "Usage"] for dataset, of in rows.items()}
    covered = {
        dataset: [row for row in of if row["PricingModel"] in ("Reservation", "SavingsPlan")]
        for dataset, of in usage.items()
    }
    assert {Decimal(row["CostInBillingCurrency"]) for row in covered["actual"]} == {Decimal(0)}
    assert added(covered["amortized"]) > 0
    changed = {"CostInBillingCurrency", "EffectivePrice"}
    for actual, amortized in zip(usage["actual"], usage["amortized"], strict=True):
        differing = {name for name in actual if actual[name] != amortized[name]}
        assert differing <= (changed if actual in covered["actual"] else set())
    marketplace = [row for row in rows["actual"] if row["PublisherType"] == "Marketplace"]
    assert [row["ResourceId"] for row in marketplace] == ["", "Unassigned"]
    assert [row["SubscriptionId"] for row in rows["actual"] if row["ChargeType"] == "RoundingAdjustment"] == [""]
    assert any("\n" in row["AdditionalInfo"] for row in rows["actual"])


def test_a_month_to_date_run_is_a_beginning_which_a_later_run_restates(tmp_path: Path) -> None:
    truths = written(tmp_path, runs=("10", "31", "+1", "+5"))
    of_actual = {
        datetime.strptime(folder.split("/")[3], "%Y%m%d%H%M").replace(tzinfo=UTC): (folder, manifest)
        for folder, manifest in manifests(tmp_path).items()
        if folder.startswith("costs/daily-actual/20260801-20260831/")
    }
    runs = [of_actual[moment] for moment in sorted(of_actual)]
    assert [moment.date() for moment in sorted(of_actual)] == [
        date(2026, 8, 10),
        date(2026, 8, 31),
        date(2026, 9, 1),
        date(2026, 9, 5),
    ]
    assert [manifest["runInfo"]["endDate"][:10] for _, manifest in runs] == ["2026-08-10", *["2026-08-31"] * 3]
    assert runs[-1][0] == truths["actual"][MONTH].folder
    assert runs[-1][1]["runInfo"]["runId"] == truths["actual"][MONTH].run_id
    rows = [
        [
            row
            for path in sorted((tmp_path / folder).glob("*.csv"))
            for row in csv_rows(path)
            if row["ChargeType"] == "Usage"
        ]
        for folder, _ in runs
    ]
    assert {row["Date"] for row in rows[0]} == {f"08/{day:02}/2026" for day in range(1, 11)}
    assert rows[1][: len(rows[0])] == rows[0]
    assert len({tuple(sorted(row.items())) for row in rows[3]} - {tuple(sorted(row.items())) for row in rows[1]}) > 10
    assert len({added(of) for of in rows}) == 4


def test_daily_runs_are_on_each_day_of_the_month_and_five_days_longer(tmp_path: Path) -> None:
    truth = written(tmp_path, runs=("daily",), rows=0, parts=1, datasets=("amortized",))["amortized"][MONTH]
    found = manifests(tmp_path)
    assert len({manifest["runInfo"]["submittedTime"][:10] for manifest in found.values()}) == len(found) == 31 + 5
    assert max(found) == truth.folder
    assert len(rows_of(tmp_path, truth)) == truth.rows > 0


def test_overwriting_leaves_the_last_run_only(tmp_path: Path) -> None:
    written(tmp_path, runs=("10",), overwrite=True)
    truths = written(tmp_path, runs=("20", "+5"), overwrite=True)
    assert set(manifests(tmp_path)) == {of[MONTH].folder for of in truths.values()}
    assert truths["actual"][MONTH].folder.count("/") == 3


def test_the_first_generation_and_the_exports_without_manifest(tmp_path: Path) -> None:
    truth = written(tmp_path / "first", manifest="2021-01-01", datasets=("actual",), version="2021-01-01")["actual"][
        MONTH
    ]
    manifest = manifests(tmp_path / "first")[truth.folder]
    assert list(manifest) == ["manifestVersion", "dataFormat", "byteCount", "blobCount", "dataRowCount", "blobs"]
    assert [Path(blob["blobName"]).name for blob in manifest["blobs"]] == ["000001.csv", "000002.csv"]
    assert manifest["blobs"][0]["headerRowCount"] == 1
    bare = written(tmp_path / "bare", manifest="none", datasets=("actual",), parts=1)["actual"][MONTH]
    assert [path.relative_to(tmp_path / "bare") for path in (tmp_path / "bare").rglob("*.*")] == [
        Path(f"costs/daily-actual/20260801-20260831/daily-actual_{bare.run_id}.csv")
    ]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_focus_has_the_actual_cost_and_the_amortized_one_in_a_row(tmp_path: Path, file_format: str) -> None:
    truths = written(tmp_path, datasets=("actual", "amortized", "focus"), file_format=file_format)
    truth = truths["focus"][MONTH]
    assert (truth.cost, truth.effective_cost) == (truths["actual"][MONTH].cost, truths["amortized"][MONTH].cost)
    assert manifests(tmp_path)[truth.folder]["exportConfig"]["type"] == "FocusCost"
    if file_format == "csv":
        rows = rows_of(tmp_path, truth)
        assert list(rows[0]) == list(columns.focus_columns())
        assert (added(rows), added(rows, "EffectiveCost")) == (truth.cost, truth.effective_cost)
        assert rows[0]["ChargePeriodEnd"] == "2026-08-02T00:00Z"


def test_the_command_prints_the_truth_and_says_what_is_wrong(tmp_path: Path) -> None:
    arguments = ["exports", str(tmp_path), "--rows=50", f"--from={MONTH}", f"--to={MONTH}"]
    printed = json.loads(CliRunner().invoke(main, arguments, catch_exceptions=False).output)
    truths = written(tmp_path, rows=50)
    assert printed == {d: {m: truth.as_json() for m, truth in of.items()} for d, of in truths.items()}
    assert Decimal(printed["actual"][MONTH]["cost"]) == truths["actual"][MONTH].cost
    for wrong, words in (
        ("--trap=nonsense", "none of no-bom, "),
        ("--run=+6", "not a day of a month"),
        ("--version=1", "no version '1'"),
        ("--trap=second-bom", "in CSV files only"),
    ):
        refused = CliRunner().invoke(main, [*arguments, "--format=parquet", wrong])
        assert refused.exit_code == 2
        assert words in refused.output


def test_the_same_seed_is_the_same_bill_in_any_number_of_parts(tmp_path: Path) -> None:
    bills = []
    for number, options in enumerate(({}, {"parts": 5}, {"seed": 2})):
        truth = written(tmp_path / str(number), datasets=("actual",), **options)["actual"][MONTH]
        bills.append(rows_of(tmp_path / str(number), truth))
    assert bills[0] == bills[1] != bills[2]
    charges = Charges(Account("88888888", "ea"), 1, 300)
    month = whole_month(MONTH, 5)
    usage = charges.usage(month, "actual", charges.usage_numbers(month), ("resourceId",), Form())
    assert [row["ResourceId"] or None for row in bills[0]][: usage.height] == usage["resourceId"].to_list()


def trapped(root: Path, trap: str, **options: Any) -> tuple[list[Path], dict[str, Any], Any]:
    truth = written(root, traps=(trap,), datasets=("actual",), **options)["actual"][MONTH]
    return sorted((root / truth.folder).glob("part*")), manifests(root)[truth.folder], truth


def test_traps_in_the_text_of_files(tmp_path: Path) -> None:
    parts, _, _ = trapped(tmp_path / "1", "no-bom")
    assert not any(part.read_bytes().startswith(BOM_UTF8) for part in parts)
    parts, _, _ = trapped(tmp_path / "2", "second-bom", file_format="csv.gz")
    assert all(gzip.decompress(part.read_bytes()).split(b"\n")[1].startswith(BOM_UTF8) for part in parts)
    parts, _, _ = trapped(tmp_path / "3", "crlf")
    assert all(part.read_bytes().split(b"\n")[0].endswith(b"\r") for part in parts)
    parts, manifest, truth = trapped(tmp_path / "4", "short-row")
    fields = [len(row) for row in csv.reader(io.StringIO(parts[0].read_text("utf-8-sig"), newline=""))]
    assert set(fields[:-1]) == {57}
    assert fields[-1] == 55
    assert manifest["dataRowCount"] == truth.rows
    for number, (trap, missing) in enumerate((("cut-last-line", False), ("cut-file", True)), 5):
        parts, manifest, truth = trapped(tmp_path / str(number), trap)
        assert not parts[1].read_bytes().endswith(b"\n")
        assert (manifest["blobs"][1]["byteCount"] > parts[1].stat().st_size) is missing
        assert sum(len(csv_rows(part)) for part in parts) == truth.rows == manifest["dataRowCount"]
    trapped(tmp_path / "7", "tags-other-way")
    for folder, starts in (("1", '"'), ("7", "{")):
        found = (tmp_path / folder).rglob("part*")
        assert {row["Tags"][0] for part in found for row in csv_rows(part) if row["Tags"]} == {starts}


def test_traps_in_the_columns_of_files(tmp_path: Path) -> None:
    parts, _, truth = trapped(tmp_path / "1", "renamed-columns")
    first, second = csv_rows(parts[0]), csv_rows(parts[1])
    assert added(first) + added(second) == truth.cost
    assert {columns.field_of(name) for name in first[0]} == {columns.field_of(name) for name in second[0]} - {None}
    assert {"Cost", "COST", "cost"} & set(second[0])
    assert len(set(first[0]) & set(second[0])) < 5
    assert second[0]["carbonEstimate"] == "new"
    parts, _, _ = trapped(tmp_path / "2", "localised-headers")
    assert [name.rpartition("(")[2].rstrip(")") for name in csv_rows(parts[0])[0]] == list(first[0])
    parts, manifest, truth = trapped(tmp_path / "3", "header-only")
    assert [csv_rows(part) for part in parts] == [[], []]
    assert (manifest["dataRowCount"], truth.rows, truth.cost) == (0, 0, 0)
    truth = written(tmp_path / "4", agreement="mca", traps=("two-currencies",))["actual"][MONTH]
    assert truth.currencies == ("CNY", "USD")
    assert {(row["billingProfileId"], row["billingCurrency"]) for row in rows_of(tmp_path / "4", truth)} == {
        ("SIM0-ABCD-BG7-TGB", "CNY"),
        ("SIM1-ABCD-BG7-TGB", "USD"),
    }


@pytest.mark.parametrize(
    ("trap", "off"),
    [
        ("wrong-row-count", (1, 0, 0)),
        ("wrong-byte-count", (0, 1, 0)),
        ("wrong-blob-count", (0, 0, 1)),
        ("missing-part", (0, 0, 0)),
    ],
)
def test_traps_in_the_manifest(tmp_path: Path, trap: str, off: tuple[int, int, int]) -> None:
    parts, manifest, truth = trapped(tmp_path, trap)
    assert (manifest["dataRowCount"], manifest["byteCount"], manifest["blobCount"]) == (
        truth.rows + off[0],
        truth.byte_count + off[1],
        truth.blob_count + off[2],
    )
    assert len(parts) == (1 if trap == "missing-part" else 2)
    assert len(manifest["blobs"]) == 2


def test_traps_beside_the_month(tmp_path: Path) -> None:
    truth = written(tmp_path, traps=("one-week", "unfinished", "price-sheet", f"moved/{MONTH}"), datasets=("actual",))[
        "actual"
    ][MONTH]
    found = manifests(tmp_path)
    main_run = found.pop(truth.folder)
    assert all(blob["blobName"].startswith("moved/from/elsewhere/") for blob in main_run["blobs"])
    by_name = {manifest["exportConfig"]["exportName"]: manifest for manifest in found.values()}
    assert {name: manifest["exportConfig"]["type"] for name, manifest in by_name.items()} == {
        "once-actual": "ActualCost",
        "prices": "PriceSheet",
    }
    week = by_name["once-actual"]["runInfo"]
    assert (week["startDate"][:10], week["endDate"][:10]) == ("2026-08-08", "2026-08-14")
    assert week["submittedTime"] > main_run["runInfo"]["submittedTime"]
    (week_folder,) = (tmp_path / "costs" / "once-actual").rglob("part_0_0001.csv")
    assert {row["Date"] for row in csv_rows(week_folder) if row["ChargeType"] == "Usage"} <= {
        f"08/{day:02}/2026" for day in range(8, 15)
    }
    folders = {path.parent for path in (tmp_path / "costs" / "daily-actual").rglob("part*")}
    (unfinished,) = folders - {tmp_path / truth.folder}
    assert [path.name for path in unfinished.iterdir()] == ["part_0_0001.csv"]


def test_a_trap_of_one_month_leaves_the_others_alone(tmp_path: Path) -> None:
    truths = written(tmp_path, months=(MONTH, "2026-09"), traps=("missing-part/2026-09",), datasets=("actual",))
    assert [len(list((tmp_path / truth.folder).glob("part*"))) for truth in truths["actual"].values()] == [2, 1]
    assert set(TRAPS) >= {"missing-part"}
