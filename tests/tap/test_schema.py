"""Every record that the tap writes is valid against the SCHEMA that it writes, formats included."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker  # type: ignore[import-untyped] # has no types of its own
from tap.tap_runs import catalog, run, settings

from sandbox.exports.destination import Folder
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import running_api
from tap_azure_ea_billing.fields import USAGE_SCHEMA
from tap_azure_ea_billing.records import RecordMaker, record_lines
from tap_azure_ea_billing.sources.ea.answers import read_answer
from tap_azure_ea_billing.sources.ea.names import API_NAMES, RARE_API_NAMES
from tap_azure_ea_billing.sources.ea.rows import COLUMNS, RowReader
from tap_azure_ea_billing.sources.files.frames import FrameBatch
from tap_azure_ea_billing.sources.files.names import COLUMNS as FILE_COLUMNS
from tap_azure_ea_billing.sources.files.names import RECORD_COLUMNS
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tap.tap_runs import Output

KEY = ("1", "actual", "2026-08-01", "2026-08-01T00:00:00.000+00:00")
CHECKER = FormatChecker(["date"])
USAGE = Draft4Validator(USAGE_SCHEMA, format_checker=CHECKER)


def assert_valid(output: Output) -> list[dict[str, Any]]:
    """Each record of a run is what its stream's SCHEMA says; return the usage records that have unreadable values."""
    assert output.error == ""
    schemas = {message["stream"]: message["schema"] for message in output.messages if message["type"] == "SCHEMA"}
    assert schemas.keys() == {"usage_details", "billing_months"}
    for stream, schema in schemas.items():
        validator = Draft4Validator(schema, format_checker=CHECKER)
        records = output.records(stream)
        assert records
        assert [error.message for record in records for error in validator.iter_errors(record)] == []
        assert all(record.keys() <= schema["properties"].keys() for record in records)
    return [record for record in output.records("usage_details") if record["unreadable"] is not None]


def test_a_bill_of_the_ea_api_with_every_trap_is_valid(tmp_path: Path) -> None:
    with running_api(tmp_path, rows=3000) as api:
        odd = assert_valid(run(settings(api, start_date="2026-10", end_date="2026-10")))
    names = {name for record in odd for name in json.loads(record["unreadable"])}
    assert names >= {"date", "extended_cost", "consumed_quantity", "resource_rate"}


def test_a_catalog_of_a_version_with_fewer_columns_hides_none(tmp_path: Path) -> None:
    chosen = catalog("usage_details", "billing_months")
    for stream in chosen["streams"]:
        stream["schema"]["properties"].pop("unreadable", None)
        stream["metadata"] = [entry for entry in stream["metadata"] if entry["breadcrumb"][-1:] != ["unreadable"]]
    with running_api(tmp_path, rows=1000) as api:
        assert assert_valid(run(settings(api, start_date="2026-10", end_date="2026-10"), catalog=chosen))


def test_a_bill_in_files_with_every_trap_is_valid(tmp_path: Path) -> None:
    write_exports(ExportOptions(months=("2026-08",), rows=2000), Folder(tmp_path))
    month = {"source": "exports", "enrollment_number": "88888888", "start_date": "2026-08", "end_date": "2026-08"}
    assert_valid(run({**month, "exports_url": str(tmp_path)}))


def assert_records_valid(rows: Iterable[Sequence[Any]], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    lines = record_lines("usage_details", RecordMaker(*KEY, columns=columns).records(rows, 1)).splitlines()
    records: list[dict[str, Any]] = [json.loads(line, parse_float=Decimal)["record"] for line in lines]
    assert [error.message for record in records for error in USAGE.iter_errors(record)] == []
    return records


TEXTS = st.one_of(
    st.text(max_size=5),
    st.decimals(allow_nan=True).map(str),
    st.sampled_from(("", " ", "1e5", "-0", "05", ".5", "1.", "+1", "1e400", "NaN", "2026-10-05", "5/10/2026", "1_0")),
)
VALUES = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
SOME = tried(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@SOME
@given(st.lists(st.dictionaries(st.sampled_from(sorted({**API_NAMES, **RARE_API_NAMES}.values())), VALUES), max_size=5))
def test_a_row_with_any_value_in_any_field_is_valid_and_loses_nothing(rows: list[dict[str, Any]]) -> None:
    page = read_answer(200, json.dumps({"content": rows, "nextLink": ""}).encode(), first=True).rows
    records = assert_records_valid(RowReader("CNY", UnknownFields(logging.getLogger("test"))).values(page), COLUMNS)
    for row, record in zip(rows, records, strict=True):
        unreadable = json.loads(record["unreadable"] or "{}")
        for column, name in API_NAMES.items():
            if row.get(name) is None:
                assert record[column] is None
                assert column not in unreadable
            elif record[column] is None:
                assert unreadable[column] == row[name]
            else:
                assert column not in unreadable


@SOME
@given(st.lists(st.dictionaries(st.sampled_from(FILE_COLUMNS), TEXTS), max_size=5))
def test_a_row_of_a_file_with_any_text_in_any_column_is_valid_and_loses_nothing(rows: list[dict[str, str]]) -> None:
    frame = pl.DataFrame(rows or None, schema=dict.fromkeys(FILE_COLUMNS, pl.String))
    records = assert_records_valid(FrameBatch(frame).rows(), RECORD_COLUMNS)
    for row, record in zip(rows, records, strict=True):
        unreadable = json.loads(record["unreadable"] or "{}")
        for column in FILE_COLUMNS:
            assert (record[column] is None) == (column not in row or column in unreadable)
            assert unreadable.get(column, row.get(column)) == row.get(column)
