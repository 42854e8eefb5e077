"""A frame is the same whether Polars reads it or msgspec, value by value: one odd row decides about no other row.

The odd row goes behind the rows that are looked at, so that a frame of rows that Polars would read is read by msgspec.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from unittest import mock

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mapper import strategies
from mapper.oracle_json import Json, JsonObject, Number
from mapper.runs import KEYS, record_line, usage_line, written_line
from mapper.test_rules_differential import assert_rules_hold, transformed, usage_records
from mapper.traps import PLAIN_FIELDS, PLAIN_RECORD
from polars.testing import assert_frame_equal

from mapper_azure_billing_tracking.batches import columns as usage
from mapper_azure_billing_tracking.batches.columns import given_name, given_text_name
from mapper_azure_billing_tracking.batches.records import RecordsReader
from mapper_azure_billing_tracking.config import ProcessingConfig

if TYPE_CHECKING:
    from mapper_azure_billing_tracking.transform import Outcome

PATTERNS = [(1, "crm"), (2, "web"), (3, "web-1")]
ODD = {
    "a number in a text's place": usage_line(999, product=Number("5")),
    "a text in a number's place": usage_line(999, resource_rate="0.5"),
    "a boolean in a number's place": usage_line(999, consumed_quantity=True),
    "an object in a text's place": usage_line(999, tags=JsonObject((("a", Number("1")),))),
    "a number that no float holds": usage_line(999, consumed_quantity=Number("1e400")),
    "an integer of 65 bits": usage_line(999, subscription_id=Number("18446744073709551616")),
    "a fraction in an integer's place": usage_line(999, subscription_id=Number("7.0")),
    "half of a surrogate pair in a tag": usage_line(999, tags='{"a":"\\ud800"}'),
    "an escaped surrogate pair": usage_line(999).replace(b'"record":{', b'"record":{"product":"\\ud83d\\ude00",'),
    "a number that no float holds in an unknown field": usage_line(999, unheard_of=Number("-1e400")),
}


def without(outcome: Outcome, row_number: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Staging and issue rows but for those of one row."""
    other = pl.col("row_number") != row_number
    return outcome.staged.filter(other), outcome.issues.filter(other)


def read_exactly(lines: list[bytes]) -> Outcome:
    with mock.patch.object(RecordsReader, "_read_quickly", return_value=None):
        return transformed(lines, PATTERNS)


CLEAN = [
    usage_line(
        number,
        **PLAIN_FIELDS,
        consumed_quantity=Number(quantity),
        resource_rate=Number("7.29E-9"),
        extended_cost=Number(cost),
        tags=tags,
        product=product,
    )
    for number, (quantity, cost, tags, product) in enumerate(
        itertools.product(
            ("0", "-0.0", "12.345678901234567", "9007199254740993", "123456789012345678901234567890"),
            ("0.1234567890123456789012345", "-7.29e-09", "1e-400", "5e-324", "100"),
            ('{"app":"x","n":1.50}', '"app": "y"', None),
            ("Windows \u4e2d\u6587", 'say "hi" \\ \n \u0000 \U0001f600', ""),
        ),
        1,
    )
]


def read_apart(lines: list[bytes]) -> tuple[list[int], list[int]]:
    """The rows whose cost, which all have, was read as a number, and those where it was read as a text."""
    frame = RecordsReader(ProcessingConfig()).read(usage_records(lines)).frame
    plain, odd = (
        frame[name].is_not_null().arg_true().to_list() if name in frame.columns else []
        for name in (given_name("extended_cost"), given_text_name("extended_cost"))
    )
    assert all(frame[given_name("extended_cost")].dtype == pl.Float64 for _ in plain)
    assert all(frame[given_text_name("extended_cost")].dtype == pl.String for _ in odd)
    return plain, odd


def test_the_clean_rows_are_read_by_polars() -> None:
    plain, odd = read_apart(CLEAN)
    assert (plain, odd) == (list(range(len(CLEAN))), [])


@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_row_is_read_as_text_and_every_row_is_read_once(oddity: str) -> None:
    plain, odd = read_apart([*CLEAN, ODD[oddity]])
    assert odd[-1] == len(CLEAN)
    assert sorted([*plain, *odd]) == list(range(len(CLEAN) + 1))


@pytest.mark.parametrize(
    "oddity", ["a number in a text's place", "a text in a number's place", "an integer of 65 bits"]
)
def test_the_clean_rows_beside_an_odd_one_are_read_by_polars(oddity: str) -> None:
    plain, odd = read_apart([*CLEAN, ODD[oddity]])
    assert (plain, odd) == (list(range(len(CLEAN))), [len(CLEAN)])


@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_row_changes_nothing_about_the_clean_rows_beside_it(oddity: str) -> None:
    quick, exact = transformed(CLEAN, PATTERNS), transformed([*CLEAN, ODD[oddity]], PATTERNS)
    for left, right in zip(without(quick, 999), without(exact, 999), strict=True):
        assert_frame_equal(left, right, check_exact=True)
    assert quick.issues.height > 0
    assert sum(tally.received for tally in exact.tallies.values()) == len(CLEAN) + 1


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.lists(strategies.records(), min_size=1, max_size=20))
def test_both_readers_give_the_same_frames_of_any_rows(found: list[dict[str, Json]]) -> None:
    lines = [
        usage_line(number, **record | {"row_number": Number(str(number))}) for number, record in enumerate(found, 1)
    ]
    quick, exact = transformed(lines, PATTERNS), read_exactly(lines)
    assert_frame_equal(quick.staged, exact.staged, check_exact=True)
    by_row = ("row_number", "rule", "column")
    assert_frame_equal(quick.issues.sort(by_row), exact.issues.sort(by_row), check_exact=True)
    assert_frame_equal(quick.audit.drop("audit_timestamp"), exact.audit.drop("audit_timestamp"), check_exact=True)
    assert quick.tallies == exact.tallies


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("product", '"\\ud800"'),
        ("instance_id", '"a\\udc00b"'),
        ("tags", '"\\udc00\\ud800"'),
        ("unheard_of", '"\\ud800"'),
    ],
)
def test_half_of_a_surrogate_pair_costs_neither_its_row_nor_its_month(column: str, text: str) -> None:
    """It is JSON by RFC 8259, though no UTF-8: the row is staged or quarantined, and what is beside it goes on."""
    outcome = transformed([usage_line(1), written_line(f'"{column}":{text}', number=2)], [])
    (tally,) = outcome.tallies.values()
    assert (tally.received, tally.staged_cost + tally.rejected_cost) == (2, 20)


@pytest.mark.parametrize("name", [name for name in PLAIN_RECORD if name not in KEYS])
def test_a_missing_field_is_as_null(name: str) -> None:
    missing = {field: value for field, value in PLAIN_RECORD.items() if field != name}
    line, null = record_line("usage_details", missing), record_line("usage_details", PLAIN_RECORD | {name: None})
    for beside in ([], [ODD["a number in a text's place"]]):
        got, expected = transformed([line, *beside], []), transformed([null, *beside], [])
        assert_frame_equal(got.staged, expected.staged)
        assert_frame_equal(got.issues.drop("record"), expected.issues.drop("record"))


@pytest.mark.parametrize("text", ["5", "1e400", '{"a":[1e400,{"b":"\\u0000"}]}', "[[[[]]]]", "null", '"x"'])
def test_a_field_that_the_schema_does_not_know_changes_nothing(text: str) -> None:
    line = written_line(f'"unheard_of":{text}', f'"UnheardOf":{text}')
    assert_frame_equal(transformed([line], []).staged, transformed([usage_line(1)], []).staged)


INTEGERS = ("18446744073709551616", "-9223372036854775809", "9" * 38, "-" + "9" * 38, "1" + "0" * 39)


@pytest.mark.parametrize("text", INTEGERS)
def test_an_integer_of_any_size_in_a_texts_place_is_its_digits(text: str) -> None:
    outcome = transformed(
        [written_line(*(f'"{name}":{text}' for name in ("product", "instance_id", "cost_center")))], []
    )
    assert outcome.staged.select("product", "instance_id", "cost_center", "resource_name").row(0) == (text,) * 4


TYPES = (
    "null",
    "true",
    "5",
    "1.50",
    "1e400",
    '"x"',
    '"5"',
    "[]",
    "[1,2]",
    "{}",
    '{"k":1.0}',
    "123456789012345678901234567890",
)


@pytest.mark.parametrize("text", TYPES)
def test_a_value_of_any_type_in_any_column_is_what_the_rules_say_and_never_costs_a_row(text: str) -> None:
    columns = [name for name in usage.COLUMNS if name not in KEYS]
    lines = [written_line(f'"{column}":{text}', number=number) for number, column in enumerate(columns, 1)]
    assert_rules_hold(lines, PATTERNS)
    for column in ("extended_cost", "subscription_id", "instance_id", "date", "tags", "product"):
        assert_rules_hold([written_line(f'"{column}":{text}')], PATTERNS)
