"""What the mapper writes: the same rows as RECORD lines, JSON lines or Arrow files, as their SCHEMA says."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest
from mapper.oracle_json import Number
from mapper.runs import (
    AUDIT,
    DETAIL,
    ISSUE,
    MONTH,
    MONTH_SCHEMA,
    USAGE_SCHEMA,
    month_line,
    state_line,
    usage_line,
    written_line,
)
from mapper.traps import PLAIN_FIELDS

from azure_billing_warehouse.tables import TABLES, AzureBillingDetail
from mapper_azure_billing_tracking.stream_types import polars_schema

if TYPE_CHECKING:
    from mapper.runs import MapperRuns, Output

STREAMS = (DETAIL, AUDIT, ISSUE)
LINES = [
    USAGE_SCHEMA,
    MONTH_SCHEMA,
    usage_line(1, **PLAIN_FIELDS, tags='{"app":"caf\u00e9 \\" \U0001f600","n":1.50}', resource_group="CRM"),
    usage_line(2, extended_cost=Number("0.12345678901234567"), consumed_quantity=Number("7.29E-9"), tags="no object"),
    usage_line(3, extended_cost=Number("-1e300"), product="line\nfeed, \u0000, \u2028 and \\", date="2026-11-30"),
    usage_line(4, instance_id=" ", extended_cost=Number("5")),
    usage_line(5, date="never", extended_cost="much"),
    written_line('"subscription_id":9223372036854775807', '"extended_cost":1.10', number=6),
    usage_line(2**53 + 1),
    month_line(7),
    state_line({}),
]
SCHEMAS = {table.table: polars_schema(table) for table in TABLES}
OF_SOME_SOURCES = {column.name for column in AzureBillingDetail.columns() if column.clickhouse.is_of_some_sources}
"""Columns that are left out where no row of a frame has a value."""


def rows_of(output: Output, stream: str, kind: str) -> list[dict[str, Any]]:
    """The rows of a stream as Python values, whatever way they came, nulls included."""
    if kind == "records":
        return [_typed(row, stream) for row in output.records(stream)]
    if kind == "jsonl":
        lines = [line for path in output.files(stream) for line in path.read_bytes().splitlines()]
        return [_typed(msgspec.json.decode(line), stream) for line in lines]
    frames = [pl.from_arrow(pa.ipc.open_file(path).read_all()) for path in output.files(stream)]
    empty = dict.fromkeys(SCHEMAS[stream].keys() & OF_SOME_SOURCES)
    return [empty | row for frame in frames if isinstance(frame, pl.DataFrame) for row in frame.iter_rows(named=True)]


def _typed(row: dict[str, Any], stream: str) -> dict[str, Any]:
    def value(name: str, kind: object) -> Any:
        found = row[name]
        if isinstance(found, str) and kind == pl.Date:
            return dt.date.fromisoformat(found)
        if isinstance(found, str) and isinstance(kind, pl.Datetime):
            return dt.datetime.fromisoformat(found)
        return found

    assert row.keys() | OF_SOME_SOURCES == SCHEMAS[stream].keys() | OF_SOME_SOURCES
    row = dict.fromkeys(SCHEMAS[stream].keys() & OF_SOME_SOURCES) | row
    return {name: value(name, kind) for name, kind in SCHEMAS[stream].items()}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("output", ["jsonl", "arrow"])
def test_files_hold_the_rows_of_the_records(mapper: MapperRuns, output: str, stream: str) -> None:
    expected = rows_of(mapper.run(LINES), stream, "records")
    got = rows_of(mapper.run(LINES, output=output), stream, output)
    assert expected
    for row in [*expected, *got]:
        row.pop("audit_timestamp", None)
        for column in ("tags", "additional_info"):
            row[column] = row.get(column) or "{}"
    assert got == expected


def test_numbers_are_written_with_the_digits_they_need(mapper: MapperRuns) -> None:
    rows = {int(bytes(row["row_number"])): row for row in mapper.run(LINES).record_texts(DETAIL)}
    assert float(bytes(rows[2]["extended_cost"])) == 0.12345678901234567
    assert float(bytes(rows[2]["consumed_quantity"])) == 7.29e-9
    assert bytes(rows[6]["subscription_id"]) == b"9223372036854775807"
    assert 2**53 + 1 in rows


@pytest.mark.parametrize("output", ["records", "jsonl"])
def test_every_line_is_json_that_any_reader_takes(mapper: MapperRuns, output: str) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    extreme = usage_line(9, extended_cost=Number("1.7e308"))  # with tax it is no 64-bit float
    written = mapper.run([*LINES[:-2], extreme], output=output)
    lines = [
        *written.lines,
        *(line for stream in STREAMS for path in written.files(stream) for line in path.read_bytes().splitlines()),
    ]
    for line in lines:
        json.loads(line, parse_constant=refuse)
        assert b"NaN" not in line
        assert b"Infinity" not in line


@pytest.mark.parametrize("output", ["records", "jsonl", "arrow"])
def test_the_properties_of_a_schema_are_the_keys_of_its_records(mapper: MapperRuns, output: str) -> None:
    written = mapper.run(LINES, output=output)
    schemas = {message["stream"]: message for message in written.messages if message["type"] == "SCHEMA"}
    assert schemas.keys() == {DETAIL, AUDIT, ISSUE, MONTH}
    for stream, message in schemas.items():
        properties = set(message["schema"]["properties"])
        records = written.records(stream) or rows_of(written, stream, output)
        assert records
        assert all(properties - OF_SOME_SOURCES <= record.keys() <= properties for record in records)
        assert set(message["key_properties"]) <= properties


def test_values_are_of_the_type_that_the_schema_says(mapper: MapperRuns) -> None:
    kinds: dict[str, set[type]] = {
        "string": {str},
        "integer": {int},
        "number": {int, float},
        "boolean": {bool},
        "null": {type(None)},
    }
    written = mapper.run(LINES)
    for message in written.messages:
        if message["type"] == "SCHEMA":
            for record in written.records(message["stream"]):
                for name, entry in message["schema"]["properties"].items():
                    allowed = {of for kind in entry["type"] for of in kinds[kind]}
                    assert type(record.get(name)) in allowed, (message["stream"], name)


@pytest.mark.parametrize("output", ["records", "jsonl", "arrow"])
def test_a_column_that_only_some_sources_have_is_written_where_any_row_has_it(mapper: MapperRuns, output: str) -> None:
    priced = usage_line(2, pricing_model="Reservation", unit_price="0.25", payg_price="a lot", dataset="amortized")
    written = mapper.run([USAGE_SCHEMA, usage_line(1, dataset="amortized"), priced], output=output)
    rows = rows_of(written, DETAIL, output)
    told = [[row[name] for name in ("dataset", "pricing_model", "unit_price", "payg_price")] for row in rows]
    assert told == [["amortized", None, None, None], ["amortized", "Reservation", 0.25, None]]
    (issue,) = rows_of(written, ISSUE, output)
    assert [issue[name] for name in ("dataset", "rule", "severity", "column", "value")] == [
        *("amortized", "R4", "null", "payg_price", "a lot")
    ]
    if output == "arrow":
        (file,) = written.files(DETAIL)
        assert set(pl.read_ipc_schema(file)) & OF_SOME_SOURCES == {"pricing_model", "unit_price"}


def test_the_keys_of_each_stream_are_never_null_and_tell_its_rows_apart(mapper: MapperRuns) -> None:
    written = mapper.run(LINES, batch_size_rows=3)
    for message in written.messages:
        if message["type"] == "SCHEMA" and message["key_properties"]:
            rows = [
                tuple(row[name] for name in message["key_properties"]) for row in written.records(message["stream"])
            ]
            assert None not in [value for row in rows for value in row]
            assert len(rows) == len(set(rows)) > 0


def test_a_null_in_a_json_column_is_an_empty_object_in_arrow_and_null_elsewhere(mapper: MapperRuns) -> None:
    lines = [USAGE_SCHEMA, usage_line(1, tags=None, additional_info="")]
    (file,) = mapper.run(lines, output="arrow").files(DETAIL)
    (row,) = pa.ipc.open_file(file).read_all().select(["tags", "additional_info", "product"]).to_pylist()
    assert row == {"tags": "{}", "additional_info": "{}", "product": None}
    (record,) = mapper.run(lines).records(DETAIL)
    assert (record["tags"], record["additional_info"]) == (None, None)


def test_a_batch_message_names_complete_files_by_absolute_address(mapper: MapperRuns) -> None:
    written = mapper.run(LINES, output="arrow", batch_size_rows=2)
    batches = [message for message in written.messages if message["type"] == "BATCH"]
    assert {message["encoding"]["format"] for message in batches} == {"arrow"}
    assert all(address.startswith("file:///") for message in batches for address in message["manifest"])
    named = {path for stream in STREAMS for path in written.files(stream)}
    assert len(written.files(DETAIL)) == 1, "small frames share a file until another message comes"
    (folder,) = (mapper.folder / "batches").iterdir()
    assert named | set(written.files(MONTH)) | {folder / "owner.json"} == set(folder.iterdir())


def test_a_frame_without_staged_rows_makes_no_file(mapper: MapperRuns) -> None:
    written = mapper.run([USAGE_SCHEMA, usage_line(1, date=None)], output="arrow")
    assert written.files(DETAIL) == []
    assert len(written.files(ISSUE)) == 1


def test_in_records_the_instants_of_every_key_have_whole_seconds_in_the_same_way(mapper: MapperRuns) -> None:
    at = "2026-11-03T02:04:05.987+00:00"
    odd = {"instance_id": "x/web-1", "resource_group": "CRM", "snapshot_at": at}
    lines = [
        USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1, **odd), usage_line(2, date="never", snapshot_at=at),
        month_line(2, snapshot_at=at),
    ]  # fmt: skip
    exact = dt.datetime.fromisoformat(at)
    for output, instant in (("records", exact.replace(microsecond=0)), ("arrow", exact)):
        written = mapper.run(lines, output=output)
        for stream in (*STREAMS, MONTH):
            found = {row["snapshot_at"].astimezone(dt.UTC) for row in rows_of(written, stream, output)}
            assert found == {instant}, (output, stream)
        (month,) = rows_of(written, MONTH, output)
        assert month["received_row_count"] == 2


def test_a_folder_with_odd_characters_is_named_so_that_it_is_found(mapper: MapperRuns) -> None:
    folder = mapper.folder / "a b%20#\u00e9"
    written = mapper.run([USAGE_SCHEMA, usage_line(1)], output="arrow", batch_directory=str(folder))
    (message,) = (message for message in written.messages if message["type"] == "BATCH" and message["stream"] == DETAIL)
    (address,) = message["manifest"]
    assert "%20%2520%23" in address.replace("a%20b", "a%20b") or "a%20b%2520%23" in address
    assert len(list(folder.glob("run-*/*.arrow"))) == 2


def test_a_reader_that_closes_early_ends_the_mapper_with_an_error(mapper: MapperRuns) -> None:
    source = mapper.folder / "lines"
    source.write_bytes(USAGE_SCHEMA + b"".join(usage_line(number, **PLAIN_FIELDS) for number in range(1, 6_000)))
    with source.open("rb") as lines, mapper.start(stdin=lines, batch_size_rows=500) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) != 0
    assert "rows/s" not in said
    assert "Traceback" not in said


def test_a_batch_directory_that_cannot_be_written_is_a_sentence(mapper: MapperRuns) -> None:
    blocked = mapper.folder / "file"
    blocked.write_text("", encoding="utf-8")
    ended = mapper.finish([USAGE_SCHEMA, usage_line(1)], output="arrow", batch_directory=str(blocked / "below"))
    assert str(blocked) in ended.sentence()


def test_costs_that_overflow_when_summed_stop_nothing(mapper: MapperRuns) -> None:
    lines = [usage_line(number, extended_cost=Number("1.7e308")) for number in (1, 2)]
    assert len(mapper.run([USAGE_SCHEMA, *lines]).records(DETAIL)) == 2


def test_the_last_rows_come_out_before_the_end(mapper: MapperRuns) -> None:
    ended = mapper.finish([USAGE_SCHEMA, *(usage_line(number) for number in range(1, 50))])
    assert ended.code == 0, ended.said
    assert len(ended.output.records(DETAIL)) == 49
