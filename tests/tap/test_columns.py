"""Pages of the EA API in Arrow files: what is in them, and when they are written."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl
from tap.scripted import Answer, scripted_api, scripted_settings
from tap.tap_runs import Clock, Output, catalog, run

from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {"AccountName": "a", "Date": "08/05/2026", "Day": 5, "ExtendedCost": 1.5, "Tags": None}
TEXT_COST = PLAIN | {"ExtendedCost": "2.5"}
ODD = PLAIN | {"ExtendedCost": " 2.0", "Date": "then", "Day": "x", "AccountName": 5}
OBJECT_TAGS = PLAIN | {"Tags": {"n": 1.0}, "PartNumber": 7}


def pages(*contents: list[dict[str, Any]], last: Answer | None = None) -> list[Answer]:
    """Pages that link to each other, and the answer after them."""
    links = [f"{{url}}/1/usage-report/paginatedV3?month=2026-08&pageindex={number}" for number in range(1, 99)]
    bodies = [{"content": content, "nextLink": link} for content, link in zip(contents, links, strict=False)]
    if last is None:
        bodies[-1]["nextLink"] = ""
    return [*((200, json.dumps(body).encode(), {}) for body in bodies), *([last] if last else [])]


def in_columns(answers: list[Answer], folder: Path, batch_size: int = 4, **other: Any) -> tuple[Output, list[Any]]:
    """A run with files of so many rows, and what is in each."""
    batches = {"encoding": {"format": "arrow"}, "storage": {"root": str(folder)}, "batch_size": batch_size}
    state_and_catalog = {name: other.pop(name) for name in ("catalog",) if name in other}
    with scripted_api(answers) as api:
        output = run(scripted_settings(api, batch_config=batches, **other), **state_and_catalog)
    urls = [url for message in output.messages if message["type"] == "BATCH" for url in message["manifest"]]
    return output, [pl.read_ipc(unquote(url.removeprefix("file://"))) for url in urls]


def numbers(frames: list[pl.DataFrame]) -> list[list[int]]:
    return [frame["row_number"].to_list() for frame in frames]


def test_pages_are_gathered_into_files(tmp_path: Path) -> None:
    answers = pages([PLAIN, ODD], [TEXT_COST, PLAIN, OBJECT_TAGS], [], [PLAIN] * 6)
    output, frames = in_columns(answers, tmp_path)
    assert output.error == ""
    assert numbers(frames) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]]
    assert output.records("usage_details") == []
    (month,) = output.records("billing_months")
    assert (month["row_count"], month["page_count"], str(month["extended_cost"])) == (11, 3, "18.0")
    assert frames[0].row(2, named=True)["extended_cost"] == "2.5"
    odd = frames[0].row(1, named=True)
    assert [odd[name] for name in ("extended_cost", "date", "day", "account_name")] == [None] * 4
    assert json.loads(odd["unreadable"]) == {"extended_cost": " 2.0", "date": "then", "day": "x", "account_name": 5}
    assert frames[1].row(0, named=True) | {"snapshot_at": ""} == dict.fromkeys(frames[0].columns) | {
        "enrollment_number": "1",
        "dataset": "actual",
        "billing_month": "2026-08-01",
        "snapshot_at": "",
        "row_number": 5,
        "account_name": "a",
        "date": "2026-08-05",
        "day": "5",
        "extended_cost": "1.5",
        "tags": '{"n": 1.0}',
        "extra": '{"PartNumber":7}',
        "billing_currency": "CNY",
    }
    kinds = output.outline()
    assert kinds.index("RECORD billing_months") > max(at for at, kind in enumerate(kinds) if kind.startswith("BATCH"))


def test_rows_are_columns_in_the_order_of_a_record(tmp_path: Path) -> None:
    _, (frame,) = in_columns(pages([PLAIN]), tmp_path)
    with scripted_api(pages([PLAIN])) as api:
        (record,) = run(scripted_settings(api)).records("usage_details")
    assert frame.columns == list(record)


def test_a_month_that_breaks_off_has_whole_files_only_and_no_month_row(tmp_path: Path) -> None:
    answers = pages([PLAIN] * 5, [PLAIN] * 2, last=(400, b"", {}))
    output, frames = in_columns(answers, tmp_path)
    assert "status 400" in output.error
    assert numbers(frames) == [[1, 2, 3, 4]]
    assert (output.records("billing_months"), output.state) == ([], {})
    assert not list(tmp_path.rglob("*.part"))


def test_stream_maps_get_records(tmp_path: Path) -> None:
    maps = {"usage_details": {"tags": "tags"}}
    output, frames = in_columns(pages([PLAIN, TEXT_COST]), tmp_path, stream_maps=maps)
    assert (len(output.records("usage_details")), frames) == (2, [])


def test_a_test_of_the_tap_gets_records(tmp_path: Path) -> None:
    batches = {"encoding": {"format": "arrow"}, "storage": {"root": str(tmp_path / "batches")}}
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with scripted_api(pages([PLAIN] * 5)) as api, redirect_stdout(written):
        settings = scripted_settings(api, batch_config=batches)
        assert TapAzureEABilling(config=settings, clock=Clock()).run_sync_dry_run(3)
    written.seek(0)
    kinds = [(message["type"], message.get("stream")) for message in map(json.loads, written)]
    assert kinds.count(("RECORD", "usage_details")) == 3
    assert not (tmp_path / "batches").exists()


def test_columns_that_are_not_selected_are_in_no_file(tmp_path: Path) -> None:
    chosen = catalog("usage_details", "billing_months", deselected_fields=("tags", "extra"))
    _, (frame,) = in_columns(pages([PLAIN, TEXT_COST]), tmp_path, catalog=chosen)
    assert not {"tags", "extra"} & {*frame.columns}


def test_months_are_counted_when_nobody_wants_their_rows(tmp_path: Path) -> None:
    output, frames = in_columns(pages([PLAIN, TEXT_COST]), tmp_path, catalog=catalog("billing_months"))
    assert [str(row["extended_cost"]) for row in output.records("billing_months")] == ["4.0"]
    assert (output.records("usage_details"), frames) == ([], [])
