"""Generated records, lines and patterns are fit for comparing mapper and oracle: readable, and full of cases."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from mapper.oracle import r8_object, read_record, read_row
from mapper.oracle_json import Json, JsonObject, load_json
from mapper.oracle_tracking import Patterns, audit_rows
from mapper.strategies import batches, json_texts, patterns, record_lines, records


@settings(max_examples=100, deadline=None)
@given(found=records(), choices=st.data())
def test_generated_lines_hold_their_record(found: dict[str, Json], choices: st.DataObject) -> None:
    line = choices.draw(record_lines(record=found))
    assert b"\n" not in line
    assert read_record(line) == found
    assert json.loads(line)["stream"] == "usage_details"


@settings(max_examples=200, deadline=None)
@given(text=json_texts())
def test_generated_object_texts_keep_all_of_their_pairs(text: str) -> None:
    assert (r8_object(text) or JsonObject(())) == load_json(text)


def test_generated_rows_are_mostly_staged_and_meet_every_finding_and_conflicts() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=80, deadline=None, derandomize=True)
    @given(lines=batches(min_size=10), entries=patterns())
    def count(lines: list[bytes], entries: list[tuple[int, str]]) -> None:
        rows = [read_row(read_record(line)) for line in lines]
        seen["rows"] += len(rows)
        seen["rejected"] += sum(row.rejected for row in rows)
        seen["conflicts"] += sum(audit["conflict"] for audit in audit_rows(rows, Patterns(entries)))
        seen.update(f"{found.rule} {found.column}" for row in rows for found in row.findings)

    count()
    assert seen["rejected"] < seen["rows"] / 4
    expected = """R1 date, R3 date, R4 consumed_quantity, R4 resource_rate, R4 subscription_id, R4 extended_cost,
    R5 extended_cost, R7 instance_id, R8 tags, R8 additional_info, conflicts"""
    assert [name for name in expected.replace("\n   ", "").split(", ") if not seen[name]] == []
