"""The mapper with the usage rows of somebody else's tap: other names of streams and columns, no month stream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from mapper.oracle_json import Json, JsonObject, Number, json_text, load_json
from mapper.runs import (
    DETAIL,
    ISSUE,
    MONTH,
    MONTH_RECORD,
    USAGE_SCHEMA,
    record_line,
    schema_line,
    state_line,
    usage_line,
)
from mapper.traps import PLAIN_FIELDS, PLAIN_RECORD

from mapper_azure_billing_tracking.batches.columns import COLUMNS
from mapper_azure_billing_tracking.batches.records import MalformedRecordError

if TYPE_CHECKING:
    from mapper.runs import MapperRuns

PASCAL = {name: "".join(part.capitalize() for part in name.split("_")) for name in COLUMNS}
RECORD = PLAIN_RECORD | PLAIN_FIELDS | {"tags": '{"app":"x"}', "product": "p", "extended_cost": Number("-1.50")}


def load_record(text: str) -> dict[str, Json]:
    found = load_json(text)
    assert isinstance(found, JsonObject)
    return dict(found.pairs)


def renamed(record: dict[str, Json]) -> dict[str, Json]:
    return {PASCAL.get(name, name): value for name, value in record.items()}


def test_rows_with_other_names_are_the_same_rows(mapper: MapperRuns) -> None:
    ours = mapper.run([USAGE_SCHEMA, usage_line(1, **RECORD)])
    theirs = mapper.run(
        [schema_line("UsageDetail"), record_line("UsageDetail", renamed(RECORD))], stream="UsageDetail", columns=PASCAL
    )
    assert len(ours.records(DETAIL)) == 1
    assert theirs.records(DETAIL) == ours.records(DETAIL)
    assert theirs.records(ISSUE) == ours.records(ISSUE)


@pytest.mark.parametrize(
    "fields",
    [
        {"extended_cost": "x"}, {"extended_cost": None}, {"consumed_quantity": "1_000"}, {"subscription_id": True},
        {"date": "never"}, {"tags": "no object"}, {"extended_cost": Number("1e400")}, {"product": Number("5")},
    ],
)  # fmt: skip
def test_findings_are_told_by_our_names_with_the_value_and_the_record_as_they_came(
    mapper: MapperRuns, fields: dict[str, Json]
) -> None:
    ours = mapper.run([USAGE_SCHEMA, usage_line(1, **RECORD | fields)]).records(ISSUE)
    line = record_line("UsageDetail", renamed(RECORD | fields))
    theirs = mapper.run([schema_line("UsageDetail"), line], stream="UsageDetail", columns=PASCAL).records(ISSUE)
    for row in theirs:
        if row["record"] is not None:
            assert row["record"].encode() in line
    assert [row | {"record": None} for row in theirs] == [row | {"record": None} for row in ours]


def test_two_columns_may_swap_their_names(mapper: MapperRuns) -> None:
    swapped = {"product": "meter_name", "meter_name": "product"}
    line = usage_line(1, product="meter", meter_name="product")
    (row,) = mapper.run([USAGE_SCHEMA, line], columns=swapped).records(DETAIL)
    assert (row["product"], row["meter_name"]) == ("product", "meter")


def test_our_name_of_a_renamed_column_is_an_unknown_field(mapper: MapperRuns) -> None:
    line = usage_line(1, product="ours", Product="theirs")
    (row,) = mapper.run([USAGE_SCHEMA, line], columns={"product": "Product"}).records(DETAIL)
    assert row["product"] == "theirs"


def test_a_month_stream_of_another_name_closes_the_month(mapper: MapperRuns) -> None:
    month = record_line("months_done", MONTH_RECORD)
    lines = [USAGE_SCHEMA, schema_line("months_done"), usage_line(1), month, usage_line(2)]
    kinds = mapper.run(lines, month_stream="months_done").kinds
    assert kinds.index(f"RECORD {DETAIL}") < kinds.index(f"RECORD {MONTH}")
    assert mapper.run(lines, month_stream="months_done").records(MONTH)[0]["received_row_count"] == 1


def test_the_streams_of_our_tap_pass_if_others_are_named(mapper: MapperRuns) -> None:
    lines = [USAGE_SCHEMA, usage_line(1), state_line({})]
    written = mapper.run(lines, stream="UsageDetail", month_stream="months_done")
    assert written.lines[:2] == lines[:2]


def test_without_a_month_stream_rows_are_staged_and_the_summary_says_that_no_month_was_closed(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        written = mapper.run([USAGE_SCHEMA, usage_line(1), state_line({})])
    assert written.kinds[-1] == "STATE"
    assert len(written.records(DETAIL)) == 1
    assert any("1 row of 0 months" in entry.getMessage() for entry in caplog.records)


@pytest.mark.parametrize("key", ["enrollment_number", "billing_month", "snapshot_at", "row_number"])
def test_rows_without_a_key_column_stop_the_run_with_a_hint_at_the_setting(mapper: MapperRuns, key: str) -> None:
    with pytest.raises(MalformedRecordError, match=rf"^Line 2 .* {key}.*columns"):
        mapper.run([USAGE_SCHEMA, usage_line(1, **{key: None})])


def test_a_row_of_an_unknown_dataset_stops_the_run_and_one_without_is_actual(mapper: MapperRuns) -> None:
    with pytest.raises(MalformedRecordError, match=r"^Line 3 .* dataset"):
        mapper.run([USAGE_SCHEMA, usage_line(1), usage_line(2, dataset="ActualCost")])
    written = mapper.run([USAGE_SCHEMA, usage_line(1), usage_line(2, dataset=None), usage_line(3, dataset="amortized")])
    assert [row["dataset"] for row in written.records(DETAIL)] == ["actual", "actual", "amortized"]


def test_columns_that_are_not_staged_are_told_once(mapper: MapperRuns, caplog: pytest.LogCaptureFixture) -> None:
    schema = (
        b'{"type":"SCHEMA","stream":"usage_details","schema":{"properties":{"product":{},"colour":{},"Amount":{}}},'
        b'"key_properties":[]}\n'
    )
    with caplog.at_level(logging.INFO):
        mapper.run([schema, schema], columns={"extended_cost": "Amount"})
    told = [entry.getMessage() for entry in caplog.records if "not staged" in entry.getMessage()]
    assert len(told) == 1
    assert told[0].endswith(": colour.")


def test_the_year_month_and_day_of_our_tap_are_not_told_as_missing(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture
) -> None:
    schema = (
        b'{"type":"SCHEMA","stream":"usage_details","schema":{"properties":{"year":{},"month":{},"day":{}}},'
        b'"key_properties":[]}\n'
    )
    with caplog.at_level(logging.INFO):
        mapper.run([schema])
    assert not any("not staged" in entry.getMessage() for entry in caplog.records)


ODD: dict[str, Json] = {"extended_cost": "n/a", "consumed_quantity": " 7 ", "product": Number("1.50"), "day": "x"}


@pytest.mark.parametrize("names", [{}, {"product": "Product"}], ids=["ours", "renamed"])
def test_unreadable_values_are_judged_in_their_own_columns(mapper: MapperRuns, names: dict[str, str]) -> None:
    text = json_text(JsonObject(tuple(ODD.items())))
    given = usage_line(1, **ODD)
    told = usage_line(1, **{names.get(name, name): None for name in ODD}, unreadable=text)
    (expected,) = mapper.run([USAGE_SCHEMA, given]).records(ISSUE)
    (found,) = mapper.run([USAGE_SCHEMA, told], columns=names).records(ISSUE)
    kept = {names.get(name, name): value for name, value in load_record(expected["record"]).items()}
    assert {name: value for name, value in load_record(found["record"]).items() if value is not None} == kept
    assert found | {"record": None} == expected | {"record": None}


def test_a_value_in_its_own_column_counts_more_than_an_unreadable_one(mapper: MapperRuns) -> None:
    written = mapper.run([USAGE_SCHEMA, usage_line(1, product="p", unreadable='{"product":5,"meter_name":6}')])
    assert [(row["product"], row["meter_name"]) for row in written.records(DETAIL)] == [("p", "6")]


@pytest.mark.parametrize("text", ["no object", "[1]", "", '{"product":', Number("5"), True])
def test_an_unreadable_that_is_no_object_stops_the_run(mapper: MapperRuns, text: Json) -> None:
    with pytest.raises(MalformedRecordError, match=r"^Line 3 .* unreadable is no JSON object"):
        mapper.run([USAGE_SCHEMA, usage_line(1, unreadable=None), usage_line(2, unreadable=text)])


def test_unreadable_is_not_told_as_missing(mapper: MapperRuns, caplog: pytest.LogCaptureFixture) -> None:
    schema = (
        b'{"type":"SCHEMA","stream":"usage_details","schema":{"properties":{"unreadable":{}}},"key_properties":[]}\n'
    )
    with caplog.at_level(logging.INFO):
        mapper.run([schema])
    assert not any("not staged" in entry.getMessage() for entry in caplog.records)
