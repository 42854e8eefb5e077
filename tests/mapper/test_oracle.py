"""What the oracle makes of examples of R1-R15, worked out by hand from the rules' text. The mapper is not here."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from mapper.oracle import Finding, Row, r8_object, read_record, read_row
from mapper.oracle_json import Json, JsonObject, Number, same_json
from mapper.traps import PLAIN_RECORD, READABLE_OBJECTS, UNREADABLE_OBJECTS

VM = "Virtual Machines"


def row_of(**fields: Json) -> Row:
    return read_row(PLAIN_RECORD | fields)


def staged(row: Row) -> dict[str, Any]:
    assert row.staged is not None
    return row.staged


def test_a_record_keeps_numbers_as_they_were_written() -> None:
    line = b'{"type":"RECORD","stream":"usage_details","record":{"a":1.50,"b":7.29E-9,"c":"\\u00e9","d":{"k":1,"k":2}}}'
    assert read_record(line) == {
        "a": Number("1.50"),
        "b": Number("7.29E-9"),
        "c": "\u00e9",
        "d": JsonObject((("k", Number("1")), ("k", Number("2")))),
    }


def test_a_staged_row_has_every_column_of_the_table_but_those_the_table_fills() -> None:
    columns = """account_owner_id account_name service_administrator_id subscription_guid subscription_name product
    meter_id meter_category meter_sub_category meter_region meter_name resource_location consumed_service
    service_info1 service_info2 store_service_identifier department_name cost_center unit_of_measure resource_group
    resource_tracking resource_name vm_name latest_resource_type newmonth sku cmdb_mapped_application_service
    ppm_billing_item ppm_id_owner ppm_io_cc subscription_id month day year consumed_quantity resource_rate
    extended_cost extended_cost_tax date month_date instance_id additional_info tags enrollment_number billing_month
    snapshot_at row_number billing_currency charge_type extra tags_text additional_info_text match_level match_count
    dataset pricing_model frequency publisher_type publisher_name reservation_id reservation_name benefit_id
    benefit_name term unit_price payg_price part_number service_family product_order_id product_order_name
    billing_profile_id billing_profile_name invoice_section_id invoice_section_name invoice_id exchange_rate
    cost_in_usd pricing_currency availability_zone provider run_id"""
    assert set(staged(row_of())) == set(columns.split())


def test_a_plain_row_has_no_finding_and_keeps_its_keys() -> None:
    row = row_of()
    keys = ("enrollment_number", "billing_month", "snapshot_at", "row_number")
    assert row.findings == []
    assert [staged(row)[key] for key in keys] == ["88888888", date(2026, 10, 1), "2026-11-03T02:00:00+00:00", 7]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" x ", " x "),
        ("", ""),
        (None, None),
        (Number("1.50"), "1.50"),
        (True, "true"),
        ([Number("1"), "\u00e9"], '[1,"\u00e9"]'),
        (JsonObject((("k", Number("1.0")), ("k", None))), '{"k":1.0,"k":null}'),
    ],
)
def test_a_string_column_holds_any_value_as_its_text(value: Json, expected: str | None) -> None:
    row = row_of(department_name=value)
    assert staged(row)["department_name"] == expected
    assert row.findings == []


@pytest.mark.parametrize(
    "value",
    [
        "2026-10-05", " 2026-10-05\u3000", "2026-10-05T23:59", "2026-10-05 23:59:59", "2026-10-05T23:59:59.1234567Z",
        "2026-10-05T00:00:00-11:00", "2026-10-05T00:00+0800", "10/05/2026", "10/5/2026",
    ],
)  # fmt: skip
def test_r1_reads_iso_and_american_dates_as_written(value: str) -> None:
    row = row_of(date=value)
    assert staged(row)["date"] == date(2026, 10, 5)
    assert row.findings == []


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "2026-10-5", "2026-02-29", "13/01/2026", "2026/10/05", "20261005", "2026-10-05T24:00", "2026-10-05T10",
        "2026-10-05Z", "2026-10-05T10:00:00.", "2026-10-05T10:00+08", "10/5/26", "5 Oct 2026", "1969-12-31",
        "2149-06-07", "2026-10-0\uff15",
    ],
)  # fmt: skip
def test_r1_rejects_an_unreadable_date(value: str) -> None:
    row = row_of(date=value)
    assert row.findings == [Finding("R1", "reject", "date", value)]
    assert row.rejected
    assert row.staged is None


def test_r1_rejects_a_missing_date_and_one_that_is_no_text() -> None:
    assert row_of(date=None).findings == [Finding("R1", "reject", "date", None)]
    assert row_of(date=Number("20261005")).findings == [Finding("R1", "reject", "date", "20261005")]
    without_date = {name: value for name, value in PLAIN_RECORD.items() if name != "date"}
    assert read_row(without_date).findings == [Finding("R1", "reject", "date", None)]


def test_r1_takes_the_first_and_the_last_date_that_the_table_holds() -> None:
    assert staged(row_of(date="1970-01-01"))["date"] == date(1970, 1, 1)
    assert staged(row_of(date="6/6/2149"))["date"] == date(2149, 6, 6)


def test_r2_calendar_columns_come_from_the_date_whatever_the_record_said() -> None:
    row = staged(row_of(date="2026-10-05", year=Number("1999"), month="x", day=None))
    assert (row["year"], row["month"], row["day"]) == (2026, 10, 5)
    assert (row["month_date"], row["newmonth"]) == (date(2026, 10, 1), "Oct 2026")


@pytest.mark.parametrize("value", ["2026-11-01", "9/30/2026", "2025-10-05T00:00"])
def test_r3_warns_of_a_date_outside_of_the_billing_month(value: str) -> None:
    row = row_of(date=value)
    assert row.findings == [Finding("R3", "warn", "date", value)]
    assert not row.rejected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Number("0.12345678901234567"), 0.12345678901234567),
        (Number("-7.29E-9"), -7.29e-9),
        (Number("1e-400"), 0.0),
        ("7.29E-9", 7.29e-9),
        ("\u00a0+12.50\n", 12.5),
        (".5", 0.5),
        ("5.", 5.0),
    ],
)
def test_r4_reads_numbers_and_text_that_is_one(value: Json, expected: float) -> None:
    row = row_of(consumed_quantity=value, resource_rate=value, extended_cost=value)
    assert staged(row)["consumed_quantity"] == expected
    assert staged(row)["resource_rate"] == expected
    assert staged(row)["extended_cost"] == row.extended_cost == expected


NOT_NUMBERS: list[tuple[Json, str]] = [
    ("NaN", "NaN"), ("Infinity", "Infinity"), ("1_000", "1_000"), ("0x10", "0x10"), ("1,5", "1,5"), ("1e", "1e"),
    (" 1 2 ", " 1 2 "), ("\u0661", "\u0661"), ("1e400", "1e400"), (Number("-1e400"), "-1e400"), (True, "true"),
    ([Number("1")], "[1]"), (JsonObject((("a", Number("1.0")),)), '{"a":1.0}'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), NOT_NUMBERS)
def test_r4_unreadable_quantity_or_rate_becomes_null_with_an_issue(value: Json, text: str) -> None:
    row = row_of(consumed_quantity=value, resource_rate=value)
    assert (staged(row)["consumed_quantity"], staged(row)["resource_rate"]) == (None, None)
    assert row.findings == [
        Finding("R4", "null", "consumed_quantity", text),
        Finding("R4", "null", "resource_rate", text),
    ]


@pytest.mark.parametrize("value", [None, "", " \u3000"])
def test_r4_blank_quantity_or_rate_becomes_null_without_issue(value: Json) -> None:
    row = row_of(consumed_quantity=value, resource_rate=value, subscription_id=value)
    assert (staged(row)["consumed_quantity"], staged(row)["subscription_id"], row.findings) == (None, None, [])


@pytest.mark.parametrize(("value", "text"), [*NOT_NUMBERS, (None, None), ("", ""), (" ", " ")])
def test_r4_rejects_a_blank_or_unreadable_cost(value: Json, text: str | None) -> None:
    row = row_of(extended_cost=value)
    assert row.findings == [Finding("R4", "reject", "extended_cost", text)]
    assert (row.rejected, row.extended_cost) == (True, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Number("20260110011"), 20260110011),
        (Number("9007199254740993"), 9007199254740993),
        (Number("-9223372036854775808"), -9223372036854775808),
        ("9223372036854775807", 9223372036854775807),
        (Number("123.00"), 123),
        (" +00123 ", 123),
        ("-0", 0),
    ],
)
def test_r4_subscription_id_is_an_integer_never_rounded(value: Json, expected: int) -> None:
    row = row_of(subscription_id=value)
    assert staged(row)["subscription_id"] == expected
    assert type(staged(row)["subscription_id"]) is int
    assert row.findings == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Number("9223372036854775808"), "9223372036854775808"),
        ("-9223372036854775809", "-9223372036854775809"),
        (Number("123.5"), "123.5"),
        (Number("1.5e3"), "1.5e3"),
        ("abc", "abc"),
        (False, "false"),
    ],
)
def test_r4_unreadable_subscription_id_becomes_null_with_an_issue(value: Json, text: str) -> None:
    row = row_of(subscription_id=value)
    assert staged(row)["subscription_id"] is None
    assert row.findings == [Finding("R4", "null", "subscription_id", text)]


def test_r5_warns_of_a_negative_cost_and_keeps_it() -> None:
    row = row_of(extended_cost=Number("-1e-9"))
    assert staged(row)["extended_cost"] == -1e-9
    assert row.findings == [Finding("R5", "warn", "extended_cost", "-1e-9")]
    assert row_of(extended_cost=Number("-0.0")).findings == []


def test_r6_tax_is_added_to_the_cost() -> None:
    assert staged(row_of(extended_cost=Number("100")))["extended_cost_tax"] == 106.0
    assert staged(read_row(PLAIN_RECORD | {"extended_cost": "50"}, tax_rate=0.5))["extended_cost_tax"] == 75.0


@pytest.mark.parametrize("value", [None, "", "\t\u00a0"])
def test_r7_blank_instance_id_is_rejected_or_kept_as_empty(value: str | None) -> None:
    row = row_of(instance_id=value)
    assert row.findings == [Finding("R7", "reject", "instance_id", value)]
    assert row.extended_cost == 10.0
    kept = read_row(PLAIN_RECORD | {"instance_id": value, "meter_category": VM}, missing_instance_id="keep")
    assert kept.findings == [Finding("R7", "warn", "instance_id", value)]
    assert (staged(kept)["instance_id"], staged(kept)["vm_name"]) == ("", "")


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "{}", "[]", "null", "{ }", "\u3000[\n] ", " null", [], JsonObject(())],
)
def test_r8_nothing_becomes_null_without_issue(value: Json) -> None:
    row = row_of(tags=value, additional_info=value)
    assert (staged(row)["tags"], staged(row)["additional_info"], row.findings) == (None, None, [])
    assert (staged(row)["tags_text"], staged(row)["additional_info_text"]) == (None, None)


def test_r8_braceless_tags_become_an_object() -> None:
    row = staged(row_of(tags=' "app": "x","env": "y" '))
    assert row["tags"] == row["tags_text"] == '{"app":"x","env":"y"}'
    assert row["cmdb_mapped_application_service"] == "x"


def test_r8_an_object_is_written_compactly_with_keys_and_values_as_they_were() -> None:
    row = row_of(tags=' { " app" : 1.50 , "b" : [ 1e2 , { "z":null, "y" : true } ] , "c" : "two  spaces" } ')
    assert staged(row)["tags"] == '{" app":1.50,"b":[1e2,{"z":null,"y":true}],"c":"two  spaces"}'
    assert same_json(staged(row_of(tags=r'{"k":"\u00e9\"\\"}'))["tags"], '{"k":"\u00e9\\"\\\\"}')
    given_object = JsonObject((("k", Number("1.50")), ("l", JsonObject(()))))
    assert staged(row_of(tags=given_object))["tags"] == '{"k":1.50,"l":{}}'


@pytest.mark.parametrize(
    "value",
    ['{"app":"x","app":"y"}', '{"app":"y","b":{"c":1,"c":2}}', '{"app":"y","b":{"c":1},"b.c":2}',
     '{"app":"y","n":1e400}', '{"app":"y","b":[{"c":1,"c":1}]}', '{"app":"y","b":' + "[" * 100 + "]" * 100 + "}"],
)  # fmt: skip
def test_r8_an_object_that_no_json_column_holds_is_text_with_an_issue_and_r9_reads_it(value: str) -> None:
    row = row_of(tags=value)
    assert (staged(row)["tags"], staged(row)["cmdb_mapped_application_service"]) == (None, "y")
    assert staged(row)["tags_text"] == value
    assert row.findings == [Finding("R8", "null", "tags", value)]


@pytest.mark.parametrize("value", UNREADABLE_OBJECTS)
def test_r8_anything_else_becomes_null_with_an_issue(value: str) -> None:
    row = row_of(tags=value, additional_info=value)
    assert (staged(row)["tags"], staged(row)["additional_info"]) == (None, None)
    assert row.findings == [Finding("R8", "null", "tags", value), Finding("R8", "null", "additional_info", value)]


def test_r8_shows_a_value_of_another_type_as_json() -> None:
    assert row_of(tags=[Number("1.0"), None]).findings == [Finding("R8", "null", "tags", "[1.0,null]")]
    assert row_of(tags=False).findings == [Finding("R8", "null", "tags", "false")]


@pytest.mark.parametrize("value", READABLE_OBJECTS)
def test_r8_readable_traps_are_objects_or_null(value: str) -> None:
    found = r8_object(value)  # raises for anything else
    assert found is None or found.pairs


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ('"CRM"', "CRM"), ('""', ""), ('" x "', " x "), ("5.10", "5.10"), ("true", "true"), ("null", None),
        ('{ "b": 1, "a": [ ] }', '{"b":1,"a":[]}'), ('"a","app":"b"', "b"), ('"a","app":null', None),
    ],
)  # fmt: skip
def test_r9_reads_a_tag_by_its_exact_key(spelled: str, expected: str | None) -> None:
    row = staged(row_of(tags='{" app":"no","App":"no","app":' + spelled + "}"))
    assert row["cmdb_mapped_application_service"] == expected


def test_r9_each_key_has_its_column() -> None:
    tags = '{"ppm_io_cc":"4","ppm_billing_owner":"3","ppm_billing_item":"2","app":"1"}'
    columns = ("cmdb_mapped_application_service", "ppm_billing_item", "ppm_id_owner", "ppm_io_cc")
    assert [staged(row_of(tags=tags))[column] for column in columns] == ["1", "2", "3", "4"]
    assert [staged(row_of(tags="{"))[column] for column in columns] == [None] * 4
    own = staged(read_row(PLAIN_RECORD | {"tags": '{"team":"blue","app":"1"}'}, tag_columns={"team": "ppm_io_cc"}))
    assert [own[column] for column in columns] == [None, None, None, "blue"]


@pytest.mark.parametrize(
    ("category", "product", "meter_name", "sku", "resource_type"),
    [
        (VM, "Dv3 WiNdOwS", "D2 v3", "Windows", "Windows-D2 v3"),
        (VM, "Dv3", "D2 v3", "Linux", "Linux-D2 v3"),
        (VM, None, "100 DWUs", "Linux", "Linux-100 DWUs"),
        (VM, "Windows", None, "Windows", None),
        (VM, None, "", "Linux", "Linux-"),
        ("SQL Data Warehouse", "Windows", "100 DWUs", "SQL", None),
        ("virtual machines", "Windows", "100 DWUs", "SQL", None),
        (None, "Windows", "D2 v3", None, None),
        ("Storage", None, "100 dwus", None, None),
    ],
)
def test_r10_sku_and_r11_latest_resource_type(
    category: str | None, product: str | None, meter_name: str | None, sku: str | None, resource_type: str | None
) -> None:
    row = staged(row_of(meter_category=category, product=product, meter_name=meter_name))
    assert (row["sku"], row["latest_resource_type"]) == (sku, resource_type)


@pytest.mark.parametrize(
    ("instance_id", "segment"),
    [("/a/b/Web-1", "Web-1"), ("/a/b/Web-1/", "Web-1"), ("platform-vnet", "platform-vnet"), ("a//", "a"), ("/", "")],
)
def test_r12_last_segment_leaves_out_the_slash_at_the_end(instance_id: str, segment: str) -> None:
    assert staged(row_of(instance_id=instance_id))["resource_name"] == segment


@pytest.mark.parametrize(
    ("additional_info", "expected"),
    [
        ('{"VMName":"node-1","VmName":"node-2"}', "node-1"),
        ('{"VMName":" ","VmName":" node-2 "}', " node-2 "),
        ('{"VmName":7.0}', "7.0"),
        ('{"VMName":true,"VmName":"node-2"}', "node-2"),
        ('{"VMName":"node-1","VMName":null}', "pool"),
        ('{"vmname":"node-1"}', "pool"),
        ('"VMName":"node-1"', "node-1"),
        (None, "pool"),
        ("{", "pool"),
    ],
)
def test_r13_a_cluster_node_has_the_name_of_its_machine(additional_info: str | None, expected: str) -> None:
    row = staged(row_of(meter_category=VM, instance_id="/x/AKS-1/pool", additional_info=additional_info))
    assert row["resource_name"] == row["vm_name"] == expected


def test_r13_other_resources_have_their_last_segment() -> None:
    info = '{"VMName":"node-1"}'
    assert staged(row_of(meter_category=VM, instance_id="/x/web", additional_info=info))["resource_name"] == "web"
    storage = staged(row_of(meter_category="Storage", instance_id="/aks-1/web", additional_info=info))
    assert storage["resource_name"] == "web"


def test_r14_only_a_virtual_machine_has_a_vm_name() -> None:
    assert staged(row_of(meter_category=VM))["vm_name"] == "web-1"
    assert staged(row_of(meter_category="Virtual machines"))["vm_name"] is None
    assert staged(row_of())["vm_name"] is None


def test_r15_blank_service_info_becomes_null_and_the_rest_stays() -> None:
    row = staged(row_of(service_info1=" \u00a0", service_info2=" x "))
    assert (row["service_info1"], row["service_info2"]) == (None, " x ")


def test_a_rejected_row_shows_all_of_its_findings() -> None:
    fields: dict[str, Json] = {"instance_id": "", "extended_cost": "x", "resource_rate": "y", "tags": "z"}
    row = row_of(date="2026-11-01", **fields)
    assert [(found.rule, found.severity, found.column, found.value) for found in row.findings] == [
        ("R3", "warn", "date", "2026-11-01"),
        ("R4", "null", "resource_rate", "y"),
        ("R4", "reject", "extended_cost", "x"),
        ("R7", "reject", "instance_id", ""),
        ("R8", "null", "tags", "z"),
    ]
