"""Generated bills, with the traps of the source in every month: each row is what the plain reading of the rules says.

`test_rules_differential` does the same for rows that are odder than any bill.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec
import pytest
from mapper.test_rules_differential import assert_rules_hold, transformed
from mapper.traps import ENROLLMENT_NUMBER, SNAPSHOT_AT

from sandbox.bill.generator import Bill, example_patterns
from sandbox.bill.recorded import RecordedBill

ROWS = 4_000
ALONE = 40
_row = msgspec.json.Decoder(dict[str, msgspec.Raw])


def usage_lines(
    bill: Bill | RecordedBill, month: str, revision: int = 0, positions: range | None = None
) -> list[bytes]:
    """The RECORD lines of a month's rows: dates, objects and numbers as the API gave them, rougher than the tap's."""
    key = {
        "enrollment_number": msgspec.json.encode(ENROLLMENT_NUMBER),
        "billing_month": f'"{month}-01"'.encode(),
        "snapshot_at": f'"{SNAPSHOT_AT}"'.encode(),
    }
    lines = []
    for number, text in enumerate(bill.row_texts(month, revision, positions), 1):
        fields = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): bytes(raw) for name, raw in _row.decode(text).items()}
        members = fields | key | {"row_number": str(number).encode()}
        record = b",".join(b'"%s":%s' % (name.encode(), raw) for name, raw in members.items())
        lines.append(b'{"type":"RECORD","stream":"usage_details","record":{%s}}' % record)
    return lines


@cache
def odd_positions(seed: int, month: str) -> list[int]:
    """Positions of rows that are odd in each way that the generator knows, a plain one first."""
    bill = Bill(ENROLLMENT_NUMBER, seed, ROWS)
    found: dict[str, int] = {}
    for position in range(ROWS):
        trap = bill.trap(month, position)
        found.setdefault(trap.name if trap else "", position)
    return [position for _, position in sorted(found.items())]


@pytest.mark.parametrize(
    ("seed", "month", "revision", "settings"),
    [
        (1, "2026-10", 0, {}),
        (2, "2026-10", 1, {"missing_instance_id": "keep"}),
        (3, "2024-02", 0, {"tax_rate": 0.0}),
        (4, "2026-12", 3, {"tax_rate": 0.13}),
        (5, "2026-01", 0, {}),
        (6, "2026-10", 0, {"missing_instance_id": "keep"}),
        (7, "2026-11", 2, {}),
        (8, "2025-03", 0, {}),
    ],
)
def test_every_row_of_a_bill_is_what_the_rules_say(
    seed: int, month: str, revision: int, settings: dict[str, str | float]
) -> None:
    lines = usage_lines(Bill(ENROLLMENT_NUMBER, seed, ROWS), month, revision)
    assert len(lines) > ROWS * 0.9
    assert_rules_hold(lines, example_patterns(), **settings)


def test_every_recorded_row_is_what_the_rules_say() -> None:
    lines = usage_lines(RecordedBill(), "2017-03")
    assert lines
    assert_rules_hold(lines, example_patterns())


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_kind_of_odd_row_is_what_the_rules_say_in_a_frame_of_its_own(seed: int) -> None:
    bill = Bill(ENROLLMENT_NUMBER, seed, ROWS)
    positions = odd_positions(seed, "2026-10")
    assert len(positions) > 10
    for position in positions[:ALONE]:
        (line,) = usage_lines(bill, "2026-10", positions=range(position, position + 1))
        assert_rules_hold([line], example_patterns())


def test_a_bill_meets_every_rule_that_finds_something() -> None:
    outcome = transformed(usage_lines(Bill(ENROLLMENT_NUMBER, 1, ROWS), "2026-10"), example_patterns())
    assert set(outcome.issues["rule"]) >= {"R1", "R3", "R4", "R5", "R7", "R8"}
    assert outcome.audit["conflict"].any()


@pytest.mark.parametrize("size", [1, 13, 400])
def test_how_a_bill_is_cut_into_frames_changes_no_row(size: int) -> None:
    lines = usage_lines(Bill(ENROLLMENT_NUMBER, 9, 400), "2026-10")[: 100 if size == 1 else 400]
    whole = transformed(lines, example_patterns())
    parts = [transformed(lines[start : start + size], example_patterns()) for start in range(0, len(lines), size)]
    assert [row for part in parts for row in part.staged.rows()] == whole.staged.rows()
    order = ["row_number", "rule", "column"]
    found = [row for part in parts for row in part.issues.sort(order).rows()]
    assert sorted(found, key=repr) == sorted(whole.issues.rows(), key=repr)
    assert sum(part.audit["row_count"].sum() for part in parts) == whole.audit["row_count"].sum()
