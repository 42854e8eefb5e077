"""The frames of the mapper, compared row by row with the plain Python reading of the rules."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapper import strategies
from mapper.oracle import ALL_TAG_COLUMNS, STRING_COLUMNS, read_record, read_row
from mapper.oracle_json import same_json
from mapper.oracle_tracking import Patterns, audit_rows, track

from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue, TaggingAudit
from mapper_azure_billing_tracking.batches.records import RecordsReader, UsageRecords
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.singer.reader import USAGE, UsageReader
from mapper_azure_billing_tracking.stream_types import polars_schema
from mapper_azure_billing_tracking.transform import Outcome, Transform

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON_COLUMNS = {"tags", "additional_info", "tags_text", "additional_info_text"}
MAYBE_JSON_COLUMNS = {*STRING_COLUMNS, *ALL_TAG_COLUMNS, "service_info1", "service_info2"}


def usage_records(lines: Iterable[bytes]) -> UsageRecords:
    """The records as the mapper's reader gathers them, all in one group."""
    groups: list[UsageRecords] = []
    reader = UsageReader(batch_size_rows=lambda: 1_000_000)
    reader.process_lines(
        io.BytesIO(b"".join(line.rstrip(b"\n") + b"\n" for line in lines)),
        {"RECORD": lambda message: groups.append(UsageRecords(message[USAGE].records, message[USAGE].line_numbers))},
    )
    return groups[0] if groups else UsageRecords([], [])


def outcome(transform: Transform, lines: Iterable[bytes], config: ProcessingConfig) -> Outcome:
    """What the lines become, read as one frame."""
    return transform(RecordsReader(config).read(usage_records(lines)))


def transformed(lines: list[bytes], patterns: list[tuple[int, str]], **settings: Any) -> Outcome:
    config = ProcessingConfig.model_validate(settings)
    transform = Transform(config)
    transform.track_with(ResourceTrackingEngine(Pattern(*pattern) for pattern in patterns))
    return outcome(transform, lines, config)


def assert_same(got: Any, expected: Any, column: str, row_number: int) -> None:
    if column == "snapshot_at":
        expected = dt.datetime.fromisoformat(expected)
    where = f"row {row_number}, {column}: the mapper has {got!r}, the rules say {expected!r}"
    if column in JSON_COLUMNS or (column in MAYBE_JSON_COLUMNS and isinstance(expected, str) and got != expected):
        assert same_json(got, expected), where
    else:
        assert got == expected, where


def assert_rules_hold(lines: list[bytes], patterns: list[tuple[int, str]], **config: Any) -> None:
    """Every row, finding, audit row and count is what the plain reading of the rules gives."""
    outcome = transformed(lines, patterns, **config)
    records = [read_record(line) for line in lines]
    rows = [read_row(record, **config) for record in records]
    matcher = Patterns(patterns)
    for row in rows:
        track(row, matcher)

    kept = [row for row in rows if row.staged is not None]
    assert outcome.staged.height == len(kept)
    assert outcome.staged.columns == [column.name for column in AzureBillingDetail.sent_columns()]
    for got, row in zip(outcome.staged.iter_rows(named=True), kept, strict=True):
        assert row.staged is not None
        for column, expected in row.staged.items():
            assert_same(got[column], expected, column, got["row_number"])

    expected_issues = {
        (int(record["row_number"].text), finding.rule, finding.severity, finding.column): (
            finding.value,
            row.extended_cost,
        )
        for record, row in zip(records, rows, strict=True)
        for finding in row.findings
    }
    got_issues = {
        (issue["row_number"], issue["rule"], issue["severity"], issue["column"]): issue
        for issue in outcome.issues.iter_rows(named=True)
    }
    assert outcome.issues.height == len(got_issues)
    assert got_issues.keys() == expected_issues.keys()
    for key, issue in got_issues.items():
        value, cost = expected_issues[key]
        assert issue["value"] == value or same_json(issue["value"], value)
        assert issue["extended_cost"] == cost
        kept_record = msgspec.json.decode(lines[key[0] - 1], type=dict[str, msgspec.Raw])["record"]
        assert issue["record"] == (bytes(kept_record).decode() if key[2] == "reject" else None)

    expected_audit = audit_rows(rows, matcher)
    got_audit = sorted(
        (
            {**row, "snapshot_at": row["snapshot_at"].isoformat()}
            for row in outcome.audit.drop("audit_timestamp", "first_row_number").iter_rows(named=True)
        ),
        key=repr,
    )
    for expected_row in expected_audit:
        expected_row["snapshot_at"] = dt.datetime.fromisoformat(expected_row["snapshot_at"]).isoformat()
    apart = {"audit_timestamp", "first_row_number", "extended_cost"}
    by_outcome = [name for name in outcome.audit.columns if name not in apart]
    assert sorted([[row[name] for name in by_outcome] for row in got_audit], key=repr) == sorted(
        [[row[name] for name in by_outcome] for row in expected_audit], key=repr
    )
    assert sum(row["extended_cost"] for row in got_audit) == pytest.approx(
        sum(row["extended_cost"] for row in expected_audit), rel=1e-9, abs=1e-9
    )

    assert sum(tally.received for tally in outcome.tallies.values()) == len(lines)
    assert sum(tally.staged for tally in outcome.tallies.values()) == len(kept)
    assert sum(tally.rejected for tally in outcome.tallies.values()) == len(rows) - len(kept)
    assert sum(tally.issues for tally in outcome.tallies.values()) == len(expected_issues)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategies.batches(), strategies.patterns(), st.sampled_from(("quarantine", "keep")))
def test_every_row_is_what_the_plain_reading_of_the_rules_gives(
    lines: list[bytes], patterns: list[tuple[int, str]], missing_instance_id: str
) -> None:
    assert_rules_hold(lines, patterns, missing_instance_id=missing_instance_id)


def test_the_frames_have_the_columns_and_types_of_their_tables() -> None:
    outcome = transformed([], [])
    for frame, table in (
        (outcome.staged, AzureBillingDetail),
        (outcome.audit, TaggingAudit),
        (outcome.issues, BillingIssue),
    ):
        assert frame.schema == pl.Schema(polars_schema(table))
