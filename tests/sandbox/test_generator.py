"""What the simulated bill promises to the tests that rely on it: the same rows every time, every trap, exact sums."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.bill.generator import Bill, example_patterns
from sandbox.bill.recorded import RecordedBill
from sandbox.bill.traps import TRAPS
from sandbox.bill.wire import cost_of

MONTH = "2026-09"
FIELD_COUNT = 31


@pytest.fixture(scope="module")
def bill() -> Bill:
    return Bill("88888888", seed=1, rows=1000, page_size=300)


@pytest.fixture(scope="module")
def rows(bill: Bill) -> list[dict[str, Any]]:
    return list(bill.rows(MONTH))


def test_the_same_arguments_give_the_same_rows_and_others_give_others(rows: list[dict[str, Any]]) -> None:
    assert list(Bill("88888888", 1, 1000, 300).rows(MONTH)) == rows
    assert list(Bill("88888888", 2, 1000, 300).rows(MONTH)) != rows
    assert list(Bill("77777777", 1, 1000, 300).rows(MONTH)) != rows
    assert list(Bill("88888888", 1, 1000, 300).rows("2026-10")) != rows


@pytest.mark.parametrize("revision", [0, 1, 2, 50])
def test_pages_made_alone_are_the_month_whatever_their_size(revision: int) -> None:
    whole = list(Bill("88888888", 1, 1000, 10_000).row_texts(MONTH, revision))
    paged = Bill("88888888", 1, 1000, 300)
    last_first = [
        paged.page_content(MONTH, index, revision) for index in reversed(range(paged.page_count(MONTH, revision)))
    ]
    texts = b",".join(content.rows_json[1:-1] for content in reversed(last_first)).decode()
    assert texts == ",".join(whole)
    assert len(whole) == paged.row_count(MONTH, revision) == sum(content.row_count for content in last_first)


@pytest.mark.parametrize(("enrollment", "seed"), [("88888888", 1), ("77777777", 12), ("1234567", 0)])
def test_every_trap_is_in_every_thousand_rows_and_95_of_100_are_plain(enrollment: str, seed: int) -> None:
    bill = Bill(enrollment, seed, rows=3000)
    for start in (1, 987, 1999):
        planted = Counter(trap.name for number in range(start, start + 1000) if (trap := bill.trap(MONTH, number)))
        assert planted == Counter(trap.name for trap in TRAPS)
        assert sum(planted.values()) <= 50


def test_every_rule_of_the_staging_table_has_a_row(rows: list[dict[str, Any]]) -> None:
    named = {trap.rule for trap in TRAPS}
    assert named >= {f"R{number}" for number in range(1, 17)} - {"R6", "R11", "R14", "R15"}
    # R6, R11, R14 and R15 are about plain rows.
    machines = [row for row in rows if row.get("MeterCategory") == "Virtual Machines"]
    assert {"windows" in (row["Product"] or "").lower() for row in machines} == {True, False}
    assert {None, "", "  "} <= {row["ServiceInfo1"] for row in rows}
    assert any(row["MeterName"] == "100 DWUs" for row in rows)
    assert {len(str(row["SubscriptionId"])) for row in rows} == {11, 12, len("9007199254740993")}


def test_plain_rows_are_whole_and_in_their_month_and_identical_ones_repeat_the_row_before(bill: Bill) -> None:
    encoded = list(bill.encoded_rows(MONTH, 0, range(1000)))
    for number, row in enumerate(encoded):
        trap = bill.trap(MONTH, number)
        if trap is not None and trap.name == "identical_to_the_row_before":
            assert row == encoded[number - 1]
        elif trap is None:
            assert len(row) == FIELD_COUNT
            assert row["Date"] == '"{:02d}/{:02d}/{}"'.format(*(int(row[part]) for part in ("Month", "Day", "Year")))
            assert row["Date"].startswith('"09/')
            assert re.fullmatch(r"[0-9.E-]+", row["ExtendedCost"])


def test_forms_that_the_real_data_has_are_there(rows: list[dict[str, Any]]) -> None:
    instances = [row["InstanceId"] for row in rows]
    assert {"", None, "   ", "Unassigned"} <= set(instances)
    assert any(text and text.endswith("/") for text in instances)
    assert any(text and text.strip() and "/" not in text and text != "Unassigned" for text in instances)
    by_folded: dict[str, set[str]] = {}
    for text in filter(None, instances):
        by_folded.setdefault(text.lower(), set()).add(text)
    assert any(len(forms) > 1 for forms in by_folded.values())

    tags = [row["Tags"] for row in rows]
    assert {"", None, "{}", "  "} <= {text for text in tags if not isinstance(text, dict)}
    assert any(isinstance(text, dict) for text in tags)
    assert any(isinstance(text, str) and '" app"' in text for text in tags)
    assert any(isinstance(text, str) and "零售业务部" in text for text in tags)
    assert any(isinstance(text, str) and '\\"' in text for text in tags)
    infos = [row["AdditionalInfo"] for row in rows if isinstance(row["AdditionalInfo"], str)]
    assert any('"VMName":"' in text for text in infos)
    assert any('"VmName":"' in text for text in infos)
    assert any("aks-" in (text or "") for text in instances)
    assert any("AKS-" in (text or "") for text in instances)

    costs = [row.get("ExtendedCost", "missing") for row in rows]
    assert {"12.75", "7.29E-9", "n/a", "1_000", "missing", None, 7.29e-9, -1.5e-11} <= set(costs)
    assert 10 < costs.count(0.0) < 150


def test_dates_outside_the_month_are_in_the_months_beside_it(bill: Bill) -> None:
    outside = {}
    for number, row in enumerate(bill.rows(MONTH)):
        trap = bill.trap(MONTH, number)
        if trap is not None and trap.rule == "R3":
            outside[trap.name] = row["Date"][:2]
    assert outside == {"date_before_month": "08", "date_after_month": "10"}


@pytest.mark.parametrize("first", [date(2024, 2, 1), date(2026, 12, 1), date(2026, 1, 1)])
def test_rows_are_spread_over_every_day_of_a_month(first: date) -> None:
    month = f"{first:%Y-%m}"
    texts = {row["Date"] for row in Bill("1", 1, 2000).rows(month) if isinstance(row["Date"], str)}
    day = first
    while f"{day:%Y-%m}" == month:
        assert day.strftime("%m/%d/%Y") in texts
        day += timedelta(days=1)


def test_rows_are_about_as_long_and_as_skewed_as_real_ones() -> None:
    content = Bill("88888888", 1, 5000, 5000).page_content(MONTH, 0)
    assert 1600 < len(content.rows_json) / 5000 < 2100
    counts = Counter(row.get("InstanceId") for row in json.loads(content.rows_json))
    assert 300 < len(counts) < 1500
    assert counts.most_common(1)[0][1] > 10 * sorted(counts.values())[len(counts) // 2]


def test_numbers_are_served_as_written_also_those_that_no_float_holds(bill: Bill) -> None:
    text = bill.page_content(MONTH, 0).rows_json + bill.page_content(MONTH, 1).rows_json
    text += bill.page_content(MONTH, 2).rows_json + bill.page_content(MONTH, 3).rows_json
    for literal in (b":7.29E-9,", b":0.10000000000000001,", b":9007199254740993,", b":-153.20754716981133,"):
        assert literal in text


def test_the_exact_cost_is_the_sum_of_the_literals_and_the_readable_texts(bill: Bill) -> None:
    expected = Decimal(0)
    for text in bill.row_texts(MONTH):
        cost = json.loads(text, parse_float=Decimal, parse_int=Decimal).get("ExtendedCost")
        if isinstance(cost, Decimal) or cost in {"12.75", "7.29E-9"}:
            expected += Decimal(cost)  # 28 digits hold the sum of a thousand costs of this size
    assert abs(bill.extended_cost(MONTH) - expected) < Decimal("1e-20")
    assert bill.extended_cost(MONTH) == sum(
        (bill.page_content(MONTH, index).extended_cost for index in range(4)), start=Decimal(0)
    )


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("7.29E-9", "7.29E-9"),
        ("-0.10000000000000001", "-0.10000000000000001"),
        ('"12.75"', "12.75"),
        ('"1_000"', "0"),
        ('"0x10"', "0"),
        ('"NaN"', "0"),
        ('"Infinity"', "0"),
        ('"n/a"', "0"),
        ('""', "0"),
        ("null", "0"),
    ],
)
def test_what_a_cost_counts(text: str, cost: str) -> None:
    assert cost_of({"ExtendedCost": text}) == Decimal(cost)


def test_a_missing_cost_counts_nothing() -> None:
    assert cost_of({}) == 0


@pytest.mark.parametrize("row_count", [1, 2, 5, 96, 97, 98, 1000])
def test_a_revision_drops_adds_and_re_rates_rows_and_leaves_the_others(row_count: int) -> None:
    bill = Bill("88888888", 1, row_count)
    before = list(bill.row_texts(MONTH))
    for revision in (1, 2, 3, 150):
        after = list(bill.row_texts(MONTH, revision))
        assert len(after) == bill.row_count(MONTH, revision)
        numbers = [bill.row_number(position, revision) for position in range(len(after))]
        assert len(set(numbers)) == len(numbers)
        assert numbers == sorted(numbers)
        assert set(range(row_count)) - set(numbers) or row_count == 1
        assert any(number >= row_count for number in numbers)
        if row_count == 1000:
            pairs = [(before[number], text) for number, text in zip(numbers, after, strict=True) if number < row_count]
            changed = sum(old != new for old, new in pairs)
            assert 20 < changed < 120
            assert bill.extended_cost(MONTH, revision) != bill.extended_cost(MONTH)


def test_a_bill_of_no_rows_has_no_pages() -> None:
    empty = Bill("88888888", 1, 0)
    assert (empty.row_count(MONTH, 3), empty.page_count(MONTH), list(empty.rows(MONTH))) == (0, 0, [])


def test_patterns_allocate_most_rows_contradict_each_other_on_some_and_leave_some() -> None:
    patterns = example_patterns()
    texts = [text.lower() for _, text in patterns if text.strip()]
    assert len(patterns) == 40
    assert len(texts) == 39
    assert len(set(texts)) == 38
    assert len({number for number, _ in patterns}) == 40

    outcomes = Counter[str]()
    for row in Bill("88888888", 1, 3000).rows(MONTH):
        levels = (
            (row["InstanceId"] or "").rstrip("/").rpartition("/")[2],
            row["ResourceGroup"] or "",
            row["SubscriptionGuid"],
        )
        matches = [{text for text in texts if text in level.lower()} for level in levels]
        outcomes["conflict"] += len(set[str]().union(*matches)) > 1
        outcomes["none"] += not any(matches)
        for level, match in zip(("segment", "group", "subscription"), matches, strict=True):
            outcomes[level] += bool(match)
        outcomes["by subscription only"] += bool(matches[2]) and not (matches[0] or matches[1])
    assert all(outcomes[name] > 30 for name in ("conflict", "none", "segment", "group", "by subscription only"))
    assert outcomes["none"] < 600
    assert outcomes["conflict"] < 900


def test_the_recorded_rows_keep_their_numbers_as_written() -> None:
    recorded = RecordedBill()
    assert recorded.extended_cost("2017-03") == Decimal("0.9992224436566667")
    assert [len(row) for row in recorded.rows("2017-03")] == [FIELD_COUNT, FIELD_COUNT]
    assert '"ConsumedQuantity":23.0,' in next(recorded.row_texts("2017-03"))
    assert recorded.row_count("2017-04") == 0
