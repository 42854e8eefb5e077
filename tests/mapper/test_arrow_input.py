"""Usage rows that come in Arrow files: what becomes of them is what becomes of the same rows as RECORDs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapper import strategies
from mapper.oracle_json import Json, Number, json_text
from mapper.runs import MONTH_SCHEMA, USAGE_SCHEMA, MapperRuns, month_line, record_line, state_line
from mapper.test_reader import refused
from mapper.test_rules_differential import transformed
from mapper.traps import PLAIN_FIELDS, PLAIN_RECORD
from polars.testing import assert_frame_equal

from azure_billing_warehouse.patterns.pattern import Pattern
from mapper_azure_billing_tracking.batches.arrow import ArrowReader, BatchFileUnreadableError
from mapper_azure_billing_tracking.batches.columns import NOT_READ, NUMBERS
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mapper_azure_billing_tracking.transform import Outcome

PATTERNS = [(1, "crm"), (2, "web"), (3, "web-1")]
JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)

Texts = dict[str, str | None]


def texts_of(record: Mapping[str, Json]) -> Texts:
    """A row as a file has it: every value a text, or nothing."""
    return {
        name: value if value is None or isinstance(value, str) else json_text(value)
        for name, value in record.items()
        if name not in NOT_READ
    }


def as_record(row: Texts) -> bytes:
    """The RECORD line of such a row: what is a number in a number's place goes out as one."""
    values: dict[str, Json] = {
        name: Number(value) if value and name in {*NUMBERS, "row_number"} and JSON_NUMBER.fullmatch(value) else value
        for name, value in row.items()
    }
    return record_line("usage_details", values)


def write_file(rows: Sequence[Texts], path: Path, **dtypes: Any) -> Path:
    columns = {name: None for row in rows for name in row}
    frame = pl.DataFrame([{**columns, **row} for row in rows], schema=dict.fromkeys(columns, pl.String))
    frame.with_columns(pl.col("row_number").cast(pl.Int64)).cast(dtypes).write_ipc(path)  # type: ignore[arg-type]  # dtypes are
    return path


def read_file(path: Path, most_rows: int | None = None) -> Outcome:
    transform = Transform(ProcessingConfig())
    transform.track_with(ResourceTrackingEngine(Pattern(*pattern) for pattern in PATTERNS))
    (batch,) = ArrowReader(ProcessingConfig()).read(path, "Line 1", most_rows)
    return transform(batch)


def assert_same(one: Outcome, other: Outcome) -> None:
    assert_frame_equal(one.staged, other.staged)
    assert_frame_equal(one.audit.drop("audit_timestamp"), other.audit.drop("audit_timestamp"))
    assert_frame_equal(one.issues, other.issues)
    assert one.tallies == other.tallies


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrow")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(records=st.lists(strategies.records(), min_size=1, max_size=20))
def test_rows_in_a_file_become_what_the_same_records_become(folder: Path, records: list[dict[str, Json]]) -> None:
    # A file has each column in all of its rows.
    names = {name: None for record in records for name in record}
    rows = [texts_of({**names, **record, "row_number": Number(str(at))}) for at, record in enumerate(records, 1)]
    assert_same(read_file(write_file(rows, folder / "rows.arrow")), transformed([*map(as_record, rows)], PATTERNS))


def test_numbers_and_categories_in_a_file_are_taken_as_they_are(folder: Path) -> None:
    rows = [texts_of({**PLAIN_FIELDS, **PLAIN_RECORD, "consumed_quantity": Number("1.5"), "row_number": Number("1")})]
    typed = {"extended_cost": pl.Float64, "consumed_quantity": pl.Decimal(38, 18), "meter_id": pl.Categorical}
    assert_same(read_file(write_file(rows, folder / "typed.arrow", **typed)), read_file(write_file(rows, folder / "t")))


def plain_rows(first: int, last: int) -> list[Texts]:
    return [texts_of(PLAIN_RECORD | {"row_number": Number(str(number))}) for number in range(first, last + 1)]


def batch_line(*paths: Path, encoding: str = "arrow") -> bytes:
    message = {
        "type": "BATCH",
        "stream": "usage_details",
        "encoding": {"format": encoding},
        "manifest": [path.as_uri() for path in paths],
    }
    return json.dumps(message).encode() + b"\n"


def test_a_month_may_come_in_files_and_records_in_any_mix_and_used_files_are_deleted(mapper: MapperRuns) -> None:
    given = mapper.folder / "batches" / "tap-1"
    given.mkdir(parents=True)
    files = [write_file(plain_rows(first, first + 9), given / f"{first}.arrow") for first in (1, 11, 31)]
    records = [as_record(row) for row in plain_rows(21, 30)]
    output = mapper.run(
        [
            *(USAGE_SCHEMA, MONTH_SCHEMA, batch_line(*files[:2]), *records, batch_line(files[2])),
            *(month_line(40), state_line({"all": 40})),
        ]
    )
    (month,) = output.records("stg_azure_billing_month")
    assert (month["received_row_count"], month["staged_row_count"], month["rejected_row_count"]) == (40, 40, 0)
    assert [row["row_number"] for row in output.records("stg_azure_billing_detail")] == list(range(1, 41))
    assert output.messages[-1] == {"type": "STATE", "value": {"all": 40}}
    assert list(given.iterdir()) == []


def test_a_file_elsewhere_is_neither_read_nor_deleted(
    mapper: MapperRuns, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = write_file(plain_rows(1, 1), tmp_path / "mine.arrow")
    (mapper.folder / "batches").mkdir()
    link = mapper.folder / "batches" / "link.arrow"
    link.symlink_to(elsewhere)
    for path in (elsewhere, link):
        caplog.clear()
        assert "is not below" in refused(mapper, [USAGE_SCHEMA, batch_line(path)], caplog)
    assert elsewhere.exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "not a whole Arrow file"),
        (lambda path: path.unlink(), "not a whole Arrow file"),
        (lambda path: pl.read_ipc(path).drop("billing_month").write_ipc(path), "a readable billing_month"),
        (lambda path: pl.read_ipc(path).with_columns(snapshot_at=pl.lit("then")).write_ipc(path), "snapshot_at"),
    ],
    ids=["cut", "gone", "no month", "no instant"],
)
def test_a_file_that_cannot_be_read_stops_the_run_and_stays(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture, spoil: Any, said: str
) -> None:
    (mapper.folder / "batches").mkdir()
    path = write_file(plain_rows(1, 3), mapper.folder / "batches" / "rows.arrow")
    spoil(path)
    left = path.exists()
    sentence = refused(mapper, [USAGE_SCHEMA, batch_line(path)], caplog)
    assert sentence.startswith("Line 2 of the input")
    assert said in sentence
    assert path.exists() is left


def test_files_before_the_schema_stop_the_run(mapper: MapperRuns, caplog: pytest.LogCaptureFixture) -> None:
    (mapper.folder / "batches").mkdir()
    path = write_file(plain_rows(1, 1), mapper.folder / "batches" / "rows.arrow")
    assert "before its SCHEMA" in refused(mapper, [batch_line(path)], caplog)


@pytest.mark.parametrize("text", ["no object", "[1]", ""])
def test_an_unreadable_that_is_no_object_is_named_with_its_file(folder: Path, text: str) -> None:
    path = write_file([*plain_rows(1, 1), {**plain_rows(2, 2)[0], "unreadable": text}], folder / "malformed.arrow")
    with pytest.raises(BatchFileUnreadableError, match=r"^Line 1, file .*malformed\.arrow, .* unreadable is no JSON"):
        read_file(path)
