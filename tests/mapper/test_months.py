"""What the mapper says of a month: counts and sums that add up to what came, whatever was interleaved."""

from __future__ import annotations

import datetime as dt
import logging
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mapper import strategies
from mapper.oracle import read_record, read_row
from mapper.oracle_json import Number
from mapper.oracle_tracking import Patterns, audit_rows
from mapper.runs import (
    AUDIT,
    DETAIL,
    ISSUE,
    MONTH,
    MONTH_SCHEMA,
    USAGE_SCHEMA,
    MapperRuns,
    month_line,
    state_line,
    usage_line,
)

PATTERNS = [(1, "crm"), (2, "web"), (3, "web-1")]


def month_row(mapper: MapperRuns, lines: list[bytes], **settings: Any) -> dict[str, Any]:
    (row,) = mapper.run([USAGE_SCHEMA, MONTH_SCHEMA, *lines], **settings).records(MONTH)
    return row


def test_a_month_row_has_the_counts_and_costs_of_both_sides(mapper: MapperRuns) -> None:
    lines = [
        usage_line(1, extended_cost=Number("0.1")),
        usage_line(2, extended_cost=Number("0.2"), tags="no object"),
        usage_line(3, extended_cost=Number("-0.3"), resource_group="crm"),
        usage_line(4, extended_cost=Number("5"), instance_id=None, date=None),
        usage_line(5, extended_cost="unreadable"),
    ]
    row = month_row(mapper, [*lines, month_line(5, extended_cost=Number("5.0"), page_count=Number("2"))])
    counts = ("row_count", "received_row_count", "staged_row_count", "rejected_row_count", "issue_count", "page_count")
    assert [row[name] for name in counts] == [5, 5, 3, 2, 5, 2]
    assert row["staged_extended_cost"] == math.fsum((0.1, 0.2, -0.3))
    assert row["rejected_extended_cost"] == 5
    assert (row["enrollment_number"], row["billing_month"], row["source"]) == ("88888888", "2026-10-01", "ea")


def test_a_month_that_the_tap_did_not_read_to_its_end_has_its_rows_and_no_month_row(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture
) -> None:
    """As `tap --test` writes it: even if as many rows came as the tap counted, the month is not complete."""
    cut = month_line(1, completed_at=None)
    whole = month_line(2, snapshot_at="2026-11-04T02:00:00+00:00")
    rows = [usage_line(number, snapshot_at="2026-11-04T02:00:00+00:00") for number in (1, 2)]
    output = mapper.run([USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1), cut, *rows, whole])
    assert len(output.records(DETAIL)) == 3
    assert [row["row_count"] for row in output.records(MONTH)] == [2]
    assert (
        "Enrollment 88888888, month 2026-10: the tap did not read the month to its end (as with --test), 1 row "
        "arrived. The month is not complete and is not published."
    ) in caplog.text


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(strategies.batches(min_size=3, max_size=40), st.sampled_from((1, 7, 1000)))
def test_counts_and_sums_are_those_of_the_plain_reading_of_the_rules(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], batch_size_rows: int
) -> None:
    mapper = MapperRuns(tmp_path_factory.getbasetemp())
    rows = [read_row(read_record(line)) for line in lines]
    frames = [rows[start : start + batch_size_rows] for start in range(0, len(rows), batch_size_rows)]
    ended = [line + b"\n" for line in lines]
    row = month_row(mapper, [*ended, month_line(len(lines))], batch_size_rows=batch_size_rows)
    staged = [found for found in rows if not found.rejected]
    rejected = [found for found in rows if found.rejected]
    assert row["received_row_count"] == len(rows)
    assert row["staged_row_count"] == len(staged)
    assert row["rejected_row_count"] == len(rejected)
    assert row["issue_count"] == sum(len(found.findings) for found in rows)
    assert row["audit_count"] == sum(len(audit_rows(frame, Patterns(PATTERNS))) for frame in frames)
    for name, found in (("staged_extended_cost", staged), ("rejected_extended_cost", rejected)):
        costs = [entry.extended_cost for entry in found if entry.extended_cost is not None]
        assert row[name] == pytest.approx(math.fsum(costs), rel=1e-12, abs=1e-9 * max(map(abs, costs), default=0))


def test_the_counts_are_those_of_the_rows_that_were_written(mapper: MapperRuns) -> None:
    lines = [usage_line(number, date=None if number % 5 == 0 else "2026-10-05") for number in range(1, 101)]
    written = mapper.run([USAGE_SCHEMA, MONTH_SCHEMA, *lines, month_line(100)], batch_size_rows=17)
    (row,) = written.records(MONTH)
    assert row["staged_row_count"] == len(written.records(DETAIL)) == 80
    assert row["issue_count"] == len(written.records(ISSUE)) == 20
    assert row["audit_count"] == len(written.records(AUDIT)) == 6


@pytest.mark.parametrize(
    "cost",
    [
        "10", "0", "0.10", "123456789.123456789012345678", "0.00000000000000000000000000000000000001",
        "12345678901234567890.5", "-0.30000000000000000000001", "100.000",
    ],
)  # fmt: skip
def test_the_taps_sum_keeps_its_exact_digits(mapper: MapperRuns, cost: str) -> None:
    row = month_row(mapper, [month_line(0, extended_cost=Number(cost))])
    assert Decimal(row["extended_cost"]) == Decimal(cost)
    assert isinstance(row["extended_cost"], str)
    assert "E" not in row["extended_cost"].upper()


@pytest.mark.parametrize(("cost", "text"), [("7.29E-9", "0.00000000729"), ("1.5e3", "1500"), ("1E+2", "100")])
def test_a_sum_written_with_an_exponent_is_the_same_sum(mapper: MapperRuns, cost: str, text: str) -> None:
    row = month_row(mapper, [month_line(0, extended_cost=Number(cost))])
    assert Decimal(row["extended_cost"]) == Decimal(text)


@pytest.mark.parametrize("counted", [1, 3])
def test_a_month_whose_count_differs_is_an_error_in_the_log_and_still_a_row_with_both_counts(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture, counted: int
) -> None:
    row = month_row(mapper, [usage_line(1), usage_line(2), month_line(counted)])
    assert (row["row_count"], row["received_row_count"]) == (counted, 2)
    (error,) = (entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR)
    for part in ("88888888", "2026-10", f"counted {counted} ", "2 arrived"):
        assert part in error


def test_a_month_that_adds_up_is_no_error_in_the_log(mapper: MapperRuns, caplog: pytest.LogCaptureFixture) -> None:
    month_row(mapper, [usage_line(1), usage_line(2, date=None), month_line(2)])
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


def test_a_month_without_rows_is_a_row_of_zeros(mapper: MapperRuns, caplog: pytest.LogCaptureFixture) -> None:
    row = month_row(mapper, [month_line(0, extended_cost=Number("0"), page_count=Number("0"))])
    zeros = [name for name in row if name.endswith(("_count", "extended_cost")) and row[name] is not None]
    assert len(zeros) == 10
    assert [row[name] for name in ("dataset", "run_id", "blob_count", "byte_count")] == ["actual", None, None, None]
    assert all(float(row[name]) == 0 for name in zeros)
    assert [entry for entry in caplog.records if entry.levelno == logging.ERROR] == []


def test_months_and_enrollments_that_are_interleaved_are_counted_apart(mapper: MapperRuns) -> None:
    keys = [(enrollment, month) for enrollment in ("100", "88888888") for month in ("2026-09-01", "2026-10-01")]
    rows, lines = dict.fromkeys(keys, 0), []
    for number in range(1, 101):
        key = keys[number * 7 % 11 % 4]
        rows[key] += 1
        lines.append(
            usage_line(number, enrollment_number=key[0], billing_month=key[1], extended_cost=Number(str(number)))
        )
    closing = [
        month_line(rows[key], enrollment_number=key[0], billing_month=key[1])
        for key in (keys[2], keys[0], keys[3], keys[1])
    ]
    written = mapper.run([USAGE_SCHEMA, MONTH_SCHEMA, *lines, *closing], batch_size_rows=9)
    got = {(row["enrollment_number"], row["billing_month"]): row for row in written.records(MONTH)}
    for key, row in got.items():
        mine = [
            found for found in written.records(DETAIL) if (found["enrollment_number"], found["billing_month"]) == key
        ]
        assert row["received_row_count"] == row["row_count"] == row["staged_row_count"] == len(mine) == rows[key]
        assert row["staged_extended_cost"] == sum(found["extended_cost"] for found in mine)
        of_key = [
            found for found in written.records(ISSUE) if (found["enrollment_number"], found["billing_month"]) == key
        ]
        assert row["issue_count"] == len(of_key)
    assert got.keys() == set(keys)


def test_rows_of_another_snapshot_do_not_count_for_the_month(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture
) -> None:
    older = usage_line(1, snapshot_at="2026-11-02T02:00:00+00:00")
    row = month_row(mapper, [older, usage_line(1), month_line(1)])
    assert row["received_row_count"] == 1
    assert [entry for entry in caplog.records if entry.levelno == logging.ERROR] == []


@pytest.mark.parametrize(
    "instant", ["2026-11-03T02:00:00Z", "2026-11-03T10:00:00+08:00", "2026-11-03T02:00:00.000999+00:00"]
)
def test_a_snapshot_is_the_same_instant_however_it_is_written(mapper: MapperRuns, instant: str) -> None:
    for lines in (
        [usage_line(1, snapshot_at=instant), month_line(1)],
        [usage_line(1), month_line(1, snapshot_at=instant)],
    ):
        row = month_row(mapper, lines)
        assert row["received_row_count"] == 1
        assert dt.datetime.fromisoformat(row["snapshot_at"]) == dt.datetime(2026, 11, 3, 2, tzinfo=dt.UTC)


def test_milliseconds_of_a_snapshot_are_kept_alike_for_rows_and_month(mapper: MapperRuns) -> None:
    instant = "2026-11-03T02:00:00.123999+00:00"
    lines = [USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1, snapshot_at=instant), month_line(1, snapshot_at=instant)]
    written = mapper.run(lines)
    (month,), (row,) = written.records(MONTH), written.records(DETAIL)
    assert month["received_row_count"] == 1
    assert dt.datetime.fromisoformat(month["snapshot_at"]) == dt.datetime.fromisoformat(row["snapshot_at"])


def test_a_month_may_be_loaded_again_in_the_same_run(mapper: MapperRuns) -> None:
    again = "2026-11-04T02:00:00+00:00"
    lines = [
        usage_line(1), month_line(1), state_line({}), usage_line(1, snapshot_at=again),
        usage_line(2, snapshot_at=again), month_line(2, snapshot_at=again),
    ]  # fmt: skip
    rows = mapper.run([USAGE_SCHEMA, MONTH_SCHEMA, *lines]).records(MONTH)
    assert [row["received_row_count"] for row in rows] == [1, 2]


def test_the_run_ends_with_a_summary_of_what_became_of_the_rows(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [
        usage_line(1, extended_cost=Number("2.5"), resource_group="crm"), usage_line(2, date=None),
        usage_line(3, instance_id="x", extended_cost=Number("4"), tags="no object"),
    ]  # fmt: skip
    with caplog.at_level(logging.INFO):
        month_row(mapper, [*lines, month_line(3)])
    (summary,) = (entry for entry in caplog.records if "rows/s" in entry.getMessage())
    facts = vars(summary)
    assert [facts[name] for name in ("received", "staged", "rejected", "issues", "months", "conflicts")] == [
        3,
        2,
        1,
        2,
        1,
        1,
    ]
    assert facts["findings"] == {"R1": 1, "R8": 1}
    assert (facts["conflict_cost"], facts["unmatched_cost"]) == (2.5, 4)
