"""Exports from a folder through the tap: which run holds a month, and a month complete or not at all."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap.cost_files import FILES, SAMPLES, is_focus, plain_rows, plain_sum, whole
from tap.export_runs import ACCOUNT, row_count, rows, settings, write_run
from tap.tap_runs import run

from tap_azure_ea_billing.sources.exports.stores.folder import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

    from tap.tap_runs import Output

    from tap_azure_ea_billing.sources.exports.stores.store import StoredFile

BOM = b"\xef\xbb\xbf"


def month_row(output: Output) -> dict[str, Any]:
    """Return the one month row of a run without an error."""
    assert output.error == ""
    (row,) = output.records("billing_months")
    return row


def state_of(output: Output) -> dict[str, Any]:
    """Return the state for the next run."""
    return {"bookmarks": output.state["bookmarks"]}


def test_a_month_has_all_parts_of_its_run(tmp_path: Path) -> None:
    parts = [rows("1.10", "2.25"), BOM + rows("-0.000000000000000001"), gzip.compress(rows("1e2"))]
    counts = [2, 1, 1]
    folder = write_run(tmp_path, parts)
    manifest = json.loads((folder / "manifest.json").read_text())
    for blob, count in zip(manifest["blobs"], counts, strict=True):
        blob["dataRowCount"] = count
    manifest["dataRowCount"] = sum(counts)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    output = run(settings(tmp_path))
    row = month_row(output)
    assert (row["row_count"], row["page_count"], row["blob_count"]) == (4, 3, 3)
    assert (row["extended_cost"], row["byte_count"]) == (Decimal("103.349999999999999999"), sum(map(len, parts)))
    assert (row["source"], row["dataset"], row["run_id"]) == (
        "exports",
        "actual",
        "11111111-0000-0000-0000-000000000001",
    )
    records = output.records("usage_details")
    assert [record["row_number"] for record in records] == [1, 2, 3, 4]
    assert {record["date"] for record in records} == {"2026-10-05"}
    assert {record["run_id"] for record in records} == {row["run_id"]}
    assert [str(record["extended_cost"]) for record in records[:3]] == ["1.10", "2.25", "-1E-18"]


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_sample_comes_to_its_sum(path: Path, tmp_path: Path) -> None:
    content = whole(path)
    found = plain_rows(content)
    kind = "FocusCost" if is_focus(content) else "ActualCost"
    changes = {"": {"dataRowCount": len(found)}}
    folder = write_run(tmp_path, [content], kind=kind, changes=changes)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["blobs"][0]["dataRowCount"] = len(found)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    output = run(settings(tmp_path, export_type="focus" if is_focus(content) else "cost"))
    row = month_row(output)
    assert (row["row_count"], row["extended_cost"]) == (len(found), plain_sum(content))
    assert len(output.records("usage_details")) == len(found)


@pytest.mark.parametrize(("setting", "currency"), [({}, None), ({"currency": "CNY"}, "CNY")])
def test_a_file_that_names_no_currency_has_the_one_that_is_set_and_none_by_default(
    tmp_path: Path, setting: dict[str, str], currency: str | None
) -> None:
    write_run(tmp_path, [b"UsageDateTime,PreTaxCost\n2026-10-05,1.5\n"])
    (record,) = run(settings(tmp_path, **setting)).records("usage_details")
    assert record["billing_currency"] == currency


def test_the_newest_run_holds_the_month_and_is_read_once(tmp_path: Path) -> None:
    write_run(tmp_path, [rows("1")], run="a", submitted="2026-11-02T04:00:00.0000000Z")
    write_run(tmp_path, [rows("2")], run="b", submitted="2026-11-03T04:00:00.1234567Z")
    write_run(tmp_path, [rows("4")], run="c", submitted="2026-11-03T04:00:00.1234557Z")
    first = run(settings(tmp_path))
    assert (month_row(first)["run_id"], month_row(first)["extended_cost"]) == ("b", 2)
    again = run(settings(tmp_path), state=state_of(first))
    assert again.records("billing_months") == []
    write_run(tmp_path, [rows("8")], run="d", submitted="2026-11-05T04:00:00Z")
    later = run(settings(tmp_path), state=state_of(first))
    assert (month_row(later)["run_id"], month_row(later)["extended_cost"]) == ("d", 8)
    assert month_row(later)["snapshot_at"] > month_row(first)["snapshot_at"]


@pytest.mark.parametrize(
    ("days", "submitted", "newest"),
    [
        (("2026-10-01", "2026-10-31"), "2026-11-04T00:00:00Z", "other"),
        (("2026-10-01", "2026-11-01"), "2026-11-04T00:00:00Z", "other"),  # an end that is the first instant after it
        (("2026-10-01", "2026-10-20"), "2026-10-20T23:59:00Z", "other"),
        (("2026-10-01", "2026-10-19"), "2026-10-20T00:10:00Z", "other"),
        (("2026-10-01", "2026-10-20"), "2026-11-04T00:00:00Z", "whole"),
        (("2026-10-02", "2026-10-31"), "2026-11-04T00:00:00Z", "whole"),
        (("2026-10-05", "2026-10-11"), "2026-11-04T00:00:00Z", "whole"),
        (("2026-10-01", "2026-11-30"), "2026-12-04T00:00:00Z", "whole"),
    ],
)
def test_a_run_that_does_not_cover_the_month_never_replaces_one_that_does(
    days: tuple[str, str], submitted: str, newest: str, tmp_path: Path
) -> None:
    write_run(
        tmp_path,
        [rows("1")],
        run="whole",
        submitted="2026-10-31T00:00:00Z" if "11-" in submitted else "2026-10-02T00:00:00Z",
        days=("2026-10-01", "2026-10-31"),
    )
    write_run(tmp_path, [rows("2")], run="other", submitted=submitted, days=days)
    assert month_row(run(settings(tmp_path)))["run_id"] == newest


def test_both_datasets_are_read_apart_and_other_exports_not_at_all(tmp_path: Path) -> None:
    write_run(tmp_path, [rows("1")], run="a", export="actual")
    write_run(tmp_path, [rows("2")], run="b", export="amortized", kind="amortizedcost")
    write_run(tmp_path, [b"anything"], run="c", export="prices", kind="PriceSheet", scope="/subscriptions/x")
    (tmp_path / "manifest.json").write_text('{"name": "of a web site"}')
    output = run(settings(tmp_path, datasets="actual,amortized"))
    assert output.error == ""
    found = {row["dataset"]: row for row in output.records("billing_months")}
    assert {name: (row["run_id"], row["extended_cost"]) for name, row in found.items()} == {
        "actual": ("a", 1),
        "amortized": ("b", 2),
    }
    assert found["actual"]["snapshot_at"] != found["amortized"]["snapshot_at"]


def test_a_dataset_that_nobody_exports_is_an_error(tmp_path: Path) -> None:
    write_run(tmp_path, [rows("1")])
    assert "has no run of an export of type AmortizedCost" in run(settings(tmp_path, datasets="amortized")).error


@pytest.mark.parametrize("number", ["1234567", ACCOUNT, ACCOUNT.upper().strip("/")])
def test_an_enrollment_is_a_scope_or_its_last_part_without_case(number: str, tmp_path: Path) -> None:
    write_run(tmp_path, [rows("1")], run="a")
    write_run(
        tmp_path,
        [rows("2")],
        run="b",
        export="other",
        scope=f"{ACCOUNT}/departments/9",
        submitted="2026-11-09T00:00:00Z",
    )
    assert month_row(run(settings(tmp_path, enrollment_number=number)))["run_id"] == "a"


@pytest.mark.parametrize(
    ("number", "what"), [("9", "more than one export scope is meant by it"), ("7654321", "no export is of this scope")]
)
def test_a_scope_that_is_not_one_of_the_exports_is_an_error_that_names_them(
    number: str, what: str, tmp_path: Path
) -> None:
    scopes = [f"{ACCOUNT}/departments/9", "/providers/Microsoft.Billing/billingAccounts/9"]
    for name, scope in zip("ab", scopes, strict=True):
        write_run(tmp_path, [rows("1")], run=name, export=name, scope=scope)
    error = run(settings(tmp_path, enrollment_number=number)).error
    assert error.startswith(f"Enrollment {number}: {what}")
    assert all(scope in error for scope in scopes)


def test_an_export_can_be_chosen_by_its_name(tmp_path: Path) -> None:
    write_run(tmp_path, [rows("1")], run="a", export="one")
    write_run(tmp_path, [rows("2")], run="b", export="two", submitted="2026-11-09T00:00:00Z")
    assert month_row(run(settings(tmp_path, export_name="One")))["run_id"] == "a"
    assert "no finished run of the export three" in run(settings(tmp_path, export_name="three")).error


WRONG: list[tuple[dict[str, dict[str, Any]], str]] = [
    ({"": {"blobCount": 2}}, "has a blobCount of 2, and its files add up to 1"),
    ({"": {"byteCount": 5}}, "has a byteCount of 5, and its files add up to"),
    ({"": {"dataRowCount": 5}}, "has a dataRowCount of 5, and its files add up to 2"),
    ({"": {"blobs": [{"byteCount": 1}]}}, "has no readable blobs.blobName"),
    ({"runInfo": {"submittedTime": "soon"}}, "has no readable runInfo.submittedTime"),
    ({"exportConfig": {"type": None}}, "has no readable exportConfig.type"),
]


@pytest.mark.parametrize(("changes", "fault"), WRONG, ids=[fault for _, fault in WRONG])
def test_a_manifest_that_is_wrong_in_itself_is_an_error(
    changes: dict[str, dict[str, Any]], fault: str, tmp_path: Path
) -> None:
    write_run(tmp_path, [rows("1", "2")], changes=changes)
    output = run(settings(tmp_path))
    assert fault in output.error
    assert output.records("billing_months") == []


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "part_0_0002.csv, a file of the run"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, and the manifest says"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30] + b"\n" * 30), "has 1 row, and the manifest says 2"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\n10/05", b",10/05", 1)), "row 1 has"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"Cost", b"Coal")), "the header has no cost column"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"/r/0,Usage\n", b'/r/0,"sag"\n', 1)), ""),
        (
            lambda path: path.write_bytes(
                path.read_bytes().replace(b"0,Usage\n10/05/2026,", b'0,"age\n10/05/2026",', 1)
            ),
            "row 1 has",
        ),
    ],
    ids=["missing", "cut", "blanks at the end", "joined", "renamed", "the same", "a break in a field"],
)
def test_a_part_that_is_not_what_the_manifest_says_is_no_month(damage: Any, fault: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path, [rows("1"), rows("2", "3")])
    damage(folder / "part_0_0002.csv")
    output = run(settings(tmp_path))
    assert bool(output.error) == bool(fault)
    assert fault in output.error
    assert len(output.records("billing_months")) == (0 if fault else 1)
    if fault:
        assert output.error.startswith("Enrollment 1234567, actual costs, month 2026-10: ")


def test_a_part_with_another_number_of_rows_than_promised_is_no_month(tmp_path: Path) -> None:
    manifest = write_run(tmp_path, [rows("1", "2")]) / "manifest.json"
    promised = json.loads(manifest.read_text())
    promised["blobs"][0]["dataRowCount"] = promised["dataRowCount"] = 3
    manifest.write_text(json.dumps(promised))
    output = run(settings(tmp_path))
    assert "part_0_0001.csv has 2 rows, and the manifest says 3" in output.error
    assert output.records("billing_months") == []


class Replaced(FolderStore):
    """A folder in which a run is replaced while it is read."""

    after = 0
    reads = 0
    change: Any

    def text(self, file: StoredFile) -> bytes:
        """Return a manifest's text."""
        with super().local(file) as path:
            return path.read_bytes()

    def local(self, file: StoredFile) -> Any:
        """Change something before the n-th part is given."""
        type(self).reads += 1
        if self.reads == self.after:
            type(self).change()
        return super().local(file)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> type[Replaced]:
    monkeypatch.setattr("tap_azure_ea_billing.sources.exports.source.FolderStore", Replaced)
    Replaced.reads = 0
    return Replaced


def test_a_run_that_is_replaced_before_its_first_rows_is_left_for_the_new_one(
    replaced: type[Replaced], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = write_run(tmp_path, [rows("1")], run="old")

    def overwrite() -> None:
        for path in old.iterdir():
            path.unlink()
        write_run(tmp_path, [rows("2")], run="new", submitted="2026-11-04T00:00:00Z")

    replaced.after, replaced.change = 1, staticmethod(overwrite)
    assert month_row(run(settings(tmp_path)))["run_id"] == "new"
    assert "part_0_0001.csv is gone while it was read; listing the exports again" in caplog.text


def test_a_run_that_is_replaced_after_its_first_rows_is_no_month(replaced: type[Replaced], tmp_path: Path) -> None:
    folder = write_run(tmp_path, [rows("1"), rows("2")])
    replaced.after = 2
    replaced.change = staticmethod(lambda: (folder / "part_0_0002.csv").write_bytes(rows("3")))
    output = run(settings(tmp_path))
    assert output.error.endswith("part_0_0002.csv was changed while the month was read: run it again.")
    assert (len(output.records("usage_details")), output.records("billing_months")) == (1, [])


def test_an_empty_month_is_one_unless_it_had_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_run(tmp_path, [rows()], run="a")
    empty = run(settings(tmp_path))
    assert (month_row(empty)["row_count"], month_row(empty)["page_count"]) == (0, 0)
    assert "is over and has no usage (the run" in caplog.text
    write_run(tmp_path, [rows("1")], run="b", submitted="2026-11-04T00:00:00Z")
    full = run(settings(tmp_path), state=state_of(empty))
    write_run(tmp_path, [], run="c", submitted="2026-11-05T00:00:00Z")
    error = run(settings(tmp_path), state=state_of(full)).error
    assert "has no rows, and the month had 1 when it was read before" in error
    accepted = run(settings(tmp_path, accept_empty_months="2026-10"), state=state_of(full))
    assert (month_row(accepted)["row_count"], month_row(accepted)["run_id"]) == (0, "c")


def first_generation(root: Path, part: bytes, minute: str = "202611030405") -> Path:
    """Write a run with a manifest of the first generation and return its folder."""
    manifest = json.loads((SAMPLES / "koku/manifest_2021-01-01.json").read_text())
    folder = root / "partitioned/20261001-20261031" / minute / "73746dc5-5dcc-4b83-b340-bb1bd2b1ca30"
    folder.mkdir(parents=True)
    (folder / "000001.csv").write_bytes(part)
    name = f"cost/{folder.relative_to(root).as_posix()}/000001.csv"
    sizes = {"byteCount": len(part), "dataRowCount": row_count(part)}
    manifest |= sizes | {"blobs": [{"blobName": name, "headerRowCount": 1} | sizes]}
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    return folder


def test_manifests_of_the_first_generation_take_the_month_from_the_folder(tmp_path: Path) -> None:
    first_generation(tmp_path, rows("1"), "202611020405")
    first_generation(tmp_path, rows("2"))
    first = run(settings(tmp_path))
    assert month_row(first)["extended_cost"] == 2
    assert run(settings(tmp_path), state=state_of(first)).records("billing_months") == []
    first_generation(tmp_path, rows("3"), "202611040405")
    later = run(settings(tmp_path), state=state_of(first))
    assert month_row(later)["extended_cost"] == 3
    assert month_row(later)["run_id"] != month_row(first)["run_id"]
    both = run(settings(tmp_path, datasets="actual,amortized")).error
    assert "says neither whose costs it has nor whether they are actual or amortized" in both


def test_files_without_a_manifest_are_read_only_when_asked_for_with_a_warning_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "daily/20261001-20261031"
    folder.mkdir(parents=True)
    (folder / "daily_0.csv").write_bytes(rows("1"))
    assert "and no manifest.json or _manifest.json with them" in run(settings(tmp_path)).error
    output = run(settings(tmp_path, without_manifest=True))
    assert (month_row(output)["extended_cost"], month_row(output)["blob_count"]) == (1, 1)
    assert caplog.text.count("has no manifest, so nothing says whether a file or a part of one is missing") == 1
    (folder / "daily_0.csv").write_bytes(rows("1")[:-1])
    assert "the file ends within a row" in run(settings(tmp_path, without_manifest=True)).error


def test_a_run_without_a_manifest_beside_those_with_one_has_not_finished(tmp_path: Path) -> None:
    write_run(tmp_path, [rows("1")], run="a")
    under_way = write_run(tmp_path, [rows("2")], run="b", submitted="2026-11-04T00:00:00Z")
    (under_way / "manifest.json").unlink()
    for without in (True, False):
        assert month_row(run(settings(tmp_path, without_manifest=without)))["run_id"] == "a"


def test_a_folder_that_is_not_there_or_has_no_exports_is_an_error(tmp_path: Path) -> None:
    assert "has no exports: correct `exports_url`" in run(settings(tmp_path)).error
    assert "There is no folder" in run(settings(tmp_path / "not")).error


def test_an_unusable_manifest_says_which(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [rows("1")])
    (folder / "manifest.json").write_text('{"manifestVersion": "2024-04-01", "bl')
    assert "manifest.json is not JSON" in run(settings(tmp_path)).error
