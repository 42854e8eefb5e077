"""What the oracle makes of examples of R16 and the audit, worked out by hand from the text. The mapper is not here."""

from __future__ import annotations

from datetime import date

import pytest
from mapper.oracle import Row, read_row
from mapper.oracle_json import Json, Number
from mapper.oracle_tracking import Patterns, Tracking, audit_rows, track
from mapper.traps import PLAIN_RECORD

VM = "Virtual Machines"


def row_of(**fields: Json) -> Row:
    return read_row(PLAIN_RECORD | fields)


def tracked(entries: list[tuple[int, str]], **fields: Json) -> Tracking:
    row = row_of(**fields)
    tracking = track(row, Patterns(entries))
    assert tracking is not None
    assert row.staged is not None
    assert row.staged["resource_tracking"] == tracking.resource_tracking
    return tracking


def test_r16_the_first_level_with_a_match_decides() -> None:
    entries = [(1, "guid"), (2, "group"), (3, "web")]
    fields = {"resource_group": "my-Group", "subscription_guid": "GUID-1"}
    assert tracked(entries, **fields).resource_tracking == "WEB"
    assert tracked(entries[:2], **fields).resource_tracking == "GROUP"
    assert tracked(entries[:1], **fields).resource_tracking == "GUID"
    assert tracked([], **fields).resource_tracking == "WEB-1"


def test_r16_the_level_of_the_match_is_told_and_null_where_there_is_none() -> None:
    fields: dict[str, Json] = {"instance_id": "/a/b//", "resource_group": "rg", "subscription_guid": "guid"}
    for pattern, level in (("B", "last_segment"), ("rg", "resource_group"), ("u", "subscription"), ("a", None)):
        row = row_of(**fields)
        track(row, Patterns([(1, pattern)]))
        assert row.staged is not None
        assert row.staged["match_level"] == level


def test_r16_the_lowest_id_wins_then_the_first_read() -> None:
    assert tracked([(5, "web"), (2, "eb-1"), (2, "1")]).selected_match == "EB-1"
    assert tracked([(2, "x"), (5, "Web-"), (9, "web"), (1, "nothing")]).selected_match == "WEB-"


def test_r16_a_pattern_is_literal_text_without_case() -> None:
    assert tracked([(1, "W.b"), (2, "^web"), (3, "%"), (4, "[a-z]")]).selected_match is None
    assert tracked([(1, "W.b")], instance_id="/x/w.B-1").selected_match == "W.B"
    assert tracked([(1, "\u652f\u4ed8")], instance_id="x/\u652f\u4ed8-1").selected_match == "\u652f\u4ed8"


def test_r16_only_the_last_segment_of_the_instance_id_is_compared() -> None:
    assert tracked([(1, "providers")]).selected_match is None


def test_r16_blank_patterns_are_skipped_and_blanks_around_one_left_out() -> None:
    assert tracked([(1, ""), (2, " \u3000"), (3, " web\n")]).selected_match == "WEB"


def test_r16_a_rejected_row_is_not_tracked() -> None:
    assert track(row_of(date=None), Patterns([(1, "web")])) is None


def test_audit_shows_a_resource_with_more_than_one_match_once_with_its_rows_and_cost() -> None:
    fields: dict[str, Json] = {"resource_group": "CRM-erp", "subscription_guid": "g", "meter_category": VM}
    rows = [
        row_of(**fields, extended_cost=Number("0.1")),
        row_of(**fields, extended_cost=Number("0.2")),
        row_of(**fields, extended_cost=None),
        row_of(**fields | {"resource_group": "crm-erp"}, extended_cost=Number("-5")),
        row_of(subscription_guid="g", extended_cost=Number("9")),
    ]
    common = {
        "enrollment_number": "88888888",
        "dataset": "actual",
        "billing_month": date(2026, 10, 1),
        "snapshot_at": "2026-11-03T02:00:00+00:00",
        "instance_id": "/subscriptions/s/resourceGroups/rg/providers/p/web-1",
        "last_segment": "web-1",
        "subscription_guid": "g",
        "last_segment_match": None,
        "resource_group_match": "ERP",
        "subscription_match": None,
        "selected_match": "ERP",
        "meter_category": VM,
        "match_count": 2,
        "conflict": True,
    }
    assert audit_rows(rows, Patterns([(1, "erp"), (2, "crm")])) == [
        common | {"resource_group": "CRM-erp", "row_count": 2, "extended_cost": pytest.approx(0.3, rel=1e-15)},
        common | {"resource_group": "crm-erp", "row_count": 1, "extended_cost": -5.0},
    ]


def test_audit_has_no_conflict_where_two_levels_agree() -> None:
    [audit] = audit_rows([row_of(resource_group="WEB")], Patterns([(1, "web"), (2, "Web"), (3, "x")]))
    assert (audit["match_count"], audit["conflict"]) == (1, False)
    assert (audit["last_segment_match"], audit["resource_group_match"]) == ("WEB", "WEB")


def test_audit_leaves_out_a_row_with_one_match_on_one_level() -> None:
    assert audit_rows([row_of(resource_group="rg")], Patterns([(1, "web"), (2, "crm"), (3, "WEB")])) == []
