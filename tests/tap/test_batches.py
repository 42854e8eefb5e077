"""A source that hands rows over as columns: its Arrow files say what its RECORDs say, and which months are read."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import polars as pl
import pytest
from tap.tap_runs import NOW, Output, catalog, partition, run

from tap_azure_ea_billing import sources
from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.fields import USAGE_SCHEMA
from tap_azure_ea_billing.sources.files.frames import FrameBatch
from tap_azure_ea_billing.sources.source import MonthTotal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_azure_ea_billing.sources.source import MonthQuery

CONFIG = {"source": "columns", "enrollment_number": "1:a_2/b", "start_date": "2026-08"}
ROWS = {
    "date": ["2026-09-01", "then", None],
    "extended_cost": ["1.10", "0.1234567890123456789", "n/a"],
    "instance_id": ["/subscriptions/s/vm", "\u652f\u4ed8", ""],
    "tags": ['"a": "b"', None, "{}"],
    "extra": ['{"Plan":"x"}', None, None],
    "unit_price": ["1E-7", ".5", None],
    "run_id": ["r", "r", "r"],
}


@dataclass
class Month:
    """A month of the source: the run that holds it, its rows, and what keeps it from being whole."""

    run_id: str
    frame: pl.DataFrame
    broken: bool = False
    absence: None = None
    blob_count: int = 2
    byte_count: int = 1234
    total: MonthTotal = field(default_factory=MonthTotal)

    def batches(self) -> Iterator[FrameBatch]:
        """Yield the rows in batches of two."""
        for part in self.frame.iter_slices(2):
            costs = [Decimal(text) for text in part["extended_cost"] if text[0].isdigit()]
            self.total.pages += 1
            self.total.add_rows(part.height, costs, part.height - len(costs), ["EUR"])
            yield FrameBatch(part)
        if self.broken:
            raise OperatorError("The last file is missing.")


@dataclass
class Columns:
    """A source with rows in columns and the months of the test."""

    columns: ClassVar[tuple[str, ...]] = (*ROWS, "unreadable")
    months: dict[tuple[str, date], Month]
    asked: list[MonthQuery] = field(default_factory=list)

    def runs(self, _number: str, dataset: str) -> dict[date, str]:
        """Return the months' runs."""
        return {month: found.run_id for (name, month), found in self.months.items() if name == dataset}

    def read(self, query: MonthQuery) -> Month:
        """Read a month afresh."""
        self.asked.append(query)
        found = self.months[query.dataset, query.month]
        return Month(found.run_id, found.frame, found.broken)


pytestmark = pytest.mark.usefixtures("source")

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Columns:
    frame = pl.DataFrame(ROWS)
    found = Columns(
        {
            ("actual", SEPTEMBER): Month("s1", frame),
            ("actual", OCTOBER): Month("o1", frame.head(2)),
            ("amortized", OCTOBER): Month("o2", frame.head(1)),
        }
    )
    made: Any = lambda *_: found  # noqa: E731 - as a source is made
    monkeypatch.setitem(sources.SOURCES, "columns", made)
    return found


def in_files(folder: Path, **storage: Any) -> dict[str, Any]:
    return {"batch_config": {"encoding": {"format": "arrow"}, "storage": {"root": str(folder), **storage}}}


def files(output: Output) -> list[Path]:
    return [
        Path(unquote(url.removeprefix("file://")))
        for message in output.messages
        if message["type"] == "BATCH"
        for url in message["manifest"]
    ]


def test_the_files_say_what_the_records_say(tmp_path: Path) -> None:
    config = CONFIG | {"datasets": "amortized, actual"}
    records = run(config)
    batches = run(config | in_files(tmp_path / "a folder", prefix="rows-"))
    assert (records.error, batches.error) == ("", "")
    assert batches.records("usage_details") == []
    assert batches.records("billing_months") == records.records("billing_months")
    assert batches.state == records.state
    frame = pl.concat([pl.read_ipc(path) for path in files(batches)])
    assert frame.columns == list(records.records("usage_details")[0])
    texts = [
        {name: value if value is None or name == "row_number" else str(value) for name, value in record.items()}
        for record in records.records("usage_details")
    ]
    assert frame.to_dicts() == texts
    assert {path.name[:5] for path in files(batches)} == {"rows-"}
    assert {oct(path.stat().st_mode & 0o777) for path in files(batches)} == {"0o600"}
    assert "".join(batches.outline()).count("BATCH usage_details") == 3
    assert set(frame.columns) <= USAGE_SCHEMA["properties"].keys()


def test_a_file_has_no_more_rows_than_batch_size_and_the_order_is_that_of_row_numbers(tmp_path: Path) -> None:
    sized = in_files(tmp_path)
    sized["batch_config"]["batch_size"] = 1
    output = run(CONFIG | sized)
    assert [pl.read_ipc(path)["row_number"].to_list() for path in files(output)] == [[1], [2], [3], [1], [2]]


def test_columns_that_are_not_selected_are_in_no_file(tmp_path: Path) -> None:
    chosen = catalog("usage_details", "billing_months", deselected_fields=("tags", "extra"))
    output = run(CONFIG | in_files(tmp_path), catalog=chosen)
    assert not {"tags", "extra"} & set(pl.read_ipc(files(output)[0]).columns)


def test_stream_maps_get_records(tmp_path: Path) -> None:
    output = run(CONFIG | in_files(tmp_path) | {"stream_maps": {"usage_details": {"tags": "tags"}}})
    assert len(output.records("usage_details")) == 5
    assert files(output) == []


def test_a_dataset_has_its_own_state_and_no_instant_of_anothers() -> None:
    output = run(CONFIG | {"datasets": "actual,amortized"})
    assert [(row["dataset"], row["billing_month"]) for row in output.records("billing_months")] == [
        ("actual", "2026-09-01"),
        ("actual", "2026-10-01"),
        ("amortized", "2026-10-01"),
    ]
    instants = {(row["billing_month"], row["snapshot_at"][:19]) for row in output.records("billing_months")}
    assert len(instants) == 3
    actual, amortized = output.state["bookmarks"]["billing_months"]["partitions"]
    assert actual["context"] == {"enrollment_number": "1:a_2/b"}
    assert amortized["context"] == {"enrollment_number": "1:a_2/b", "dataset": "amortized"}
    assert amortized["runs"] == {"2026-10-01": "o2"}


def test_a_month_is_read_again_when_it_has_another_run_however_old_and_only_then(source: Columns) -> None:
    first = run(CONFIG)
    (month,) = (row for row in first.records("billing_months") if row["billing_month"] == "2026-09-01")
    assert (month["run_id"], month["blob_count"], month["byte_count"]) == ("s1", 2, 1234)
    assert (month["row_count"], month["page_count"]) == (3, 2)
    later = NOW + timedelta(days=400)
    assert run(CONFIG, now=later, state=first.state).months() == []
    source.months["actual", SEPTEMBER].run_id = "s2"
    again = run(CONFIG, now=later, state=first.state)
    assert again.months() == ["2026-09"]
    assert source.asked[-1].rows_before == 3
    assert partition(again, "1:a_2/b")["runs"] == {"2026-09-01": "s2", "2026-10-01": "o1"}


def test_a_month_without_a_run_is_named(caplog: pytest.LogCaptureFixture) -> None:
    run(CONFIG)
    assert "Enrollment 1:a_2/b: there is no finished run for 2026-08; nothing is read for it." in caplog.text


def test_a_month_that_breaks_off_has_no_month_row(source: Columns, tmp_path: Path) -> None:
    source.months["actual", OCTOBER].broken = True
    for config in (CONFIG, CONFIG | in_files(tmp_path)):
        output = run(config)
        assert output.error == "The last file is missing."
        assert output.months() == ["2026-09"]
        assert partition(output, "1:a_2/b")["runs"] == {"2026-09-01": "s1"}


def test_what_dead_runs_left_is_removed_and_what_may_still_be_read_stays(tmp_path: Path) -> None:
    left = {name: tmp_path / f"tap-{name}" for name in ("empty", "old", "recent", "alive")}
    for name, folder in left.items():
        folder.mkdir()
        if name != "empty":
            (folder / "rows.arrow").touch()
        if name in {"old", "alive"}:
            os.utime(folder, (0, 0))
    (tmp_path / "run-of-the-mapper").mkdir()
    lock = os.open(left["alive"], os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        output = run(CONFIG | in_files(tmp_path))
    finally:
        os.close(lock)
    own = files(output)[0].parent
    assert {path.name for path in tmp_path.iterdir()} == {"tap-recent", "tap-alive", "run-of-the-mapper", own.name}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoding": {"format": "parquet"}, "storage": {"root": "x"}}, "batch_config.encoding.format"),
        ({"encoding": {"format": "arrow"}, "storage": {"root": "s3://x"}}, "it must be a folder on this machine"),
        ({"encoding": {"format": "arrow"}}, "`batch_config.storage` is missing"),
    ],
    ids=["format", "elsewhere", "nowhere"],
)
def test_batches_that_cannot_be_written_are_refused_at_the_start(wrong: dict[str, Any], said: str) -> None:
    output = run(CONFIG | {"source": "ea", "batch_config": wrong})
    assert said in output.error
    assert json.dumps(output.messages) == "[]"
