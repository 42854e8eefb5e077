"""Usage rows: every value as the API gave it, but for the few that the tap says it changes."""

from __future__ import annotations

import io
import json
import logging
from contextlib import redirect_stdout
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from date_examples import DATES
from hypothesis import given
from hypothesis import strategies as st
from tap.scripted import scripted_api, scripted_settings
from tap.tap_runs import NOW, run

from sandbox.api.keys import make_key
from tap_azure_ea_billing.records import RecordMaker, record_lines
from tap_azure_ea_billing.sources.ea.answers import read_answer
from tap_azure_ea_billing.sources.ea.names import API_NAMES, NUMBERS
from tap_azure_ea_billing.sources.ea.rows import COLUMNS, RowReader
from tap_azure_ea_billing.sources.ea.source import PageBatch
from tap_azure_ea_billing.sources.source import MonthTotal
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields
from tap_azure_ea_billing.tap import TapAzureEABilling

FIELDS = tuple(API_NAMES.items())
DIGITS = [
    *("0", "-0", "-0.0", "0.1", "7.29E-9", "7.29e-09", "1E5", "1e+5", "1.10", "100.00"),
    *("0.4992223324254236", "12345678901234567890", "-12345678901234567890.123456789012345678901234567890"),
]


def reader() -> RowReader:
    return RowReader("CNY", UnknownFields(logging.getLogger("test")))


def render(row: str) -> dict[str, Any]:
    """Return the record of one row, given as JSON text, with numbers as their text."""
    rows = read_answer(200, b'{"content":[' + row.encode() + b"]}", first=True).rows
    values = reader().values(rows)
    records = RecordMaker("1", "actual", "2026-08-01", "2026-08-01T00:00:00.000+00:00", columns=COLUMNS).records(
        values, 1
    )
    (line,) = record_lines("usage_details", records).splitlines()
    message = json.loads(line, parse_float=str, parse_int=str)
    assert message["type"] == "RECORD"
    assert message["stream"] == "usage_details"
    record: dict[str, Any] = message["record"]
    return record


@pytest.mark.parametrize("number", DIGITS)
@pytest.mark.parametrize("field", ["ExtendedCost", "ConsumedQuantity", "ResourceRate"])
def test_a_number_reaches_standard_output_byte_for_byte(number: str, field: str) -> None:
    body = f'{{"content":[{{"{field}":{number}}}]}}'.encode()
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with scripted_api([(200, body, {})]) as api, redirect_stdout(written):
        TapAzureEABilling(config=scripted_settings(api), clock=lambda: NOW).sync_all()
    written.seek(0)
    (line,) = [line for line in written if '"stream":"usage_details","record"' in line]
    (name,) = [column for column, api_name in API_NAMES.items() if api_name == field]
    assert f'"{name}":{number},' in line


def test_all_31_fields_have_their_column() -> None:
    row = {name: number if column in NUMBERS else f"value {number}" for number, (column, name) in enumerate(FIELDS)}
    row["Date"] = "2026-08-05"
    record = render(json.dumps(row))
    assert len(row) == 31
    for column, name in FIELDS:
        assert record[column] == str(row[name])
    assert {
        name: record[name] for name in ("row_number", "billing_currency", "charge_type", "extra", "unreadable")
    } == {
        "row_number": "1",
        "billing_currency": "CNY",
        "charge_type": None,
        "extra": None,
        "unreadable": None,
    }


@pytest.mark.parametrize(
    ("came", "charge_type", "extra"),
    [
        ('{"ChargeType":"Purchase"}', "Purchase", None),
        ('{"ChargeType":"","PartNumber":1}', "", '{"PartNumber":1}'),
        ('{"ChargeType":null}', None, None),
        ('{"ChargeType":5}', "5", None),
    ],
)
def test_a_charge_type_that_the_api_names_has_its_column(
    came: str, charge_type: str | None, extra: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    record = render(came)
    assert (record["charge_type"], record["extra"]) == (charge_type, extra)
    assert "ChargeType" not in caplog.text


def test_a_missing_field_is_null_and_a_blank_one_stays() -> None:
    record = render('{"AccountName":"  ","Product":""}')
    assert (record["account_name"], record["product"], record["meter_id"], record["tags"]) == ("  ", "", None, None)


@pytest.mark.parametrize(
    ("field", "came", "number"),
    [
        ("ExtendedCost", '"12.750"', "12.750"),
        ("ResourceRate", '"7.29E-9"', "7.29E-9"),
        ("SubscriptionId", '"-9223372036854775808"', "-9223372036854775808"),
        ("Day", '"3"', "3"),
    ],
)
def test_text_that_is_a_json_number_is_that_number_digit_for_digit(field: str, came: str, number: str) -> None:
    (column,) = [column for column, name in FIELDS if name == field]
    rows = read_answer(200, f'{{"content":[{{"{field}":{came}}}]}}'.encode(), first=True).rows
    (values,) = reader().values(rows)
    assert (bytes(values[COLUMNS.index(column)]), values[-1]) == (number.encode(), None)


MISFITS = {
    **dict.fromkeys(
        ("ExtendedCost", "ConsumedQuantity"), ('""', '" 1"', '"+1"', '"0x10"', '"n/a"', "1e400", "true", "[1]")
    ),
    **dict.fromkeys(("SubscriptionId", "Year"), ("7.0", "1e2", '"7.0"', "9223372036854775808", '"x"', "{}")),
    **dict.fromkeys(("AccountName", "InstanceId"), ("5", "1.50", "false", '{"a":1.50}', "[null]")),
    "Date": ('""', '"31/10/2026"', '"1969-12-31"', "20261005", '{"a":1}'),
}


@pytest.mark.parametrize(("field", "came"), [(field, came) for field, texts in MISFITS.items() for came in texts])
def test_a_value_that_does_not_fit_its_column_is_null_there_and_in_unreadable_as_it_came(field: str, came: str) -> None:
    record = render(f'{{"Product":"p","{field}":{came}}}')
    (column,) = [column for column, name in FIELDS if name == field]
    assert (record[column], record["product"]) == (None, "p")
    assert record["unreadable"] == f'{{"{column}":{came}}}'


@pytest.mark.parametrize(
    ("came", "written"),
    [
        ("03/01/2017", "2017-03-01"),
        ("3/1/2017", "2017-03-01"),
        ("02/29/2024", "2024-02-29"),
        ("2017-03-01", "2017-03-01"),
        ("2017-03-01T23:59:59", "2017-03-01"),
        ("2017-03-01T00:00:00Z", "2017-03-01"),
        (" 03/01/2017 ", "2017-03-01"),
    ],
)
def test_a_date_is_written_as_an_iso_date(came: str, written: str) -> None:
    assert render(json.dumps({"Date": came}))["date"] == written


def test_a_date_is_written_as_an_iso_date_only_where_rule_r1_reads_that_date() -> None:
    assert {text: render(json.dumps({"Date": text}))["date"] for text in DATES} == DATES
    assert render('{"Date":null}')["date"] is None


@pytest.mark.parametrize(
    ("came", "written"),
    [
        ('""', ""),
        ("null", None),
        ('"\\"app\\": \\"x\\""', '"app": "x"'),
        ('{"app":"x","n":1.50,"deep":{"a":[null]}}', '{"app":"x","n":1.50,"deep":{"a":[null]}}'),
        ('["a"]', '["a"]'),
        ("1.50", "1.50"),
    ],
)
@pytest.mark.parametrize("field", ["Tags", "AdditionalInfo"])
def test_tags_and_additional_info_are_text(field: str, came: str, written: str | None) -> None:
    assert render(f'{{"{field}":{came}}}')["tags" if field == "Tags" else "additional_info"] == written


def test_fields_that_the_schema_lacks_are_kept_in_extra_as_they_came() -> None:
    record = render('{"AccountName":"a","PartNumber":"P","Rate":1.50,"accountName":null,"Benefit":{"n":[1e5]}}')
    assert record["extra"] == '{"PartNumber":"P","Rate":1.50,"accountName":null,"Benefit":{"n":[1e5]}}'
    whole = dict.fromkeys(API_NAMES.values(), "") | {"PartNumber": "P"}
    assert render(json.dumps(whole))["extra"] == '{"PartNumber":"P"}'


def test_a_row_stays_on_one_line_however_the_api_breaks_its_lines() -> None:
    assert render('{\r\n "Tags": {\n\t"a": "x\\ny" },\r"CostCenter" : [1,\n2] }')["tags"] == '{"a":"x\\ny"}'


def test_of_a_repeated_field_the_last_one_counts() -> None:
    assert render('{"ExtendedCost":1,"ExtendedCost":2.50}')["extended_cost"] == "2.50"


readable = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20).map(str)
costs = st.lists(
    st.one_of(
        readable.map(lambda text: (text, Fraction(text))),
        readable.map(lambda text: (f'" {text} "', Fraction(text))),
        st.sampled_from(["null", '""', '"n/a"', '"NaN"', '"1_000"', '"0x10"', "true", "{}", "1e400", '"1e400"']).map(
            lambda text: (text, None)
        ),
    ),
    max_size=20,
)


@given(costs)
def test_the_sum_of_a_month_is_exact_and_says_how_many_costs_it_lacks(pairs: list[tuple[str, Fraction | None]]) -> None:
    total = MonthTotal()
    half = len(pairs) // 2
    for page in (pairs[:half], pairs[half:]):
        content = ",".join(f'{{"ExtendedCost":{text}}}' for text, _ in page)
        rows = read_answer(200, f'{{"content":[{content}],"nextLink":"x"}}'.encode(), first=True).rows
        total.add(len(rows), PageBatch(rows, reader()).costs())
    assert Fraction(total.cost) == sum((value for _, value in pairs if value is not None), Fraction(0))
    assert total.unreadable_costs == sum(value is None for _, value in pairs)
    assert total.rows == len(pairs)


def test_a_row_without_the_cost_field_counts_as_one_without_a_cost() -> None:
    total = MonthTotal()
    rows = read_answer(200, b'{"content":[{}]}', first=True).rows
    total.add(len(rows), PageBatch(rows, reader()).costs())
    assert (total.rows, total.unreadable_costs, total.cost) == (1, 1, Decimal(0))


def test_unknown_fields_and_unreadable_costs_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    link = b'"{url}/1/usage-report/paginatedV3?month=2026-08&pageindex=1"'
    first = b'{"content":[{"PartNumber":1,"ExtendedCost":1.5},{"ExtendedCost":"x"}],"nextLink":' + link + b"}"
    second = b'{"content":[{"PartNumber":1},{"ExtendedCost":"2.5"}]}'
    with scripted_api([(200, first, {}), (200, second, {})]) as api:
        output = run(scripted_settings(api))
    (row,) = output.records("billing_months")
    assert (row["row_count"], row["page_count"], row["extended_cost"]) == (4, 2, Decimal("4.0"))
    assert caplog.text.count("The source gives fields that the schema lacks; `extra` has them: PartNumber.") == 1
    assert caplog.text.count("month 2026-08: 2 rows without a cost that is a number") == 1


def test_a_redirect_is_not_followed() -> None:
    with scripted_api([(200, b'{"content":[{}]}', {})]) as elsewhere:
        with scripted_api([(302, b"", {"Location": f"{elsewhere.url}/1"})]) as api:
            output = run(scripted_settings(api))
        assert elsewhere.paths == []
    assert output.error == (
        "Enrollment 1, month 2026-08, page 1: unexpected answer with status 302: "
        "check `enrollment_number` and `api_url`."
    )


def test_a_link_that_is_repeated_in_another_spelling_ends_the_run() -> None:
    """The address that was asked for is not the link letter by letter: requests takes `%7E` for `~`."""
    again = b'{"content":[{}],"nextLink":"{url}/1/usage-report/paginatedV3?month=2026-08&at=%7Enext"}'
    with scripted_api([(200, again, {})]) as api:
        output = run(scripted_settings(api))
    assert len(api.paths) == 2
    assert "`nextLink` was followed before in the month" in output.error


@pytest.mark.parametrize("cut", [90, 110, 119])
def test_a_key_that_the_api_repeats_is_not_shown_in_part_either(cut: int) -> None:
    key = make_key("1", 180)
    body = b"x" * cut + f" {key}".encode()
    with scripted_api([(400, body, {})]) as api:
        output = run(scripted_settings(api, api_key=key))
    assert "status 400" in output.error
    assert key[:8] not in output.error


def test_the_next_link_is_followed_as_it_is() -> None:
    first = b'{"content":[{}],"nextLink":"{url}/1/Usage-Report/paginatedV3?b=2&a=1%2B1&month=2026-08"}'
    with scripted_api([(200, first, {}), (200, b'{"content":[{}]}', {})]) as api:
        output = run(scripted_settings(api))
    assert api.paths == [
        "/rest/1/usage-report/paginatedV3?month=2026-08&pageindex=0&fmt=json",
        "/rest/1/Usage-Report/paginatedV3?b=2&a=1%2B1&month=2026-08",
    ]
    assert output.records("billing_months")[0]["row_count"] == 2
