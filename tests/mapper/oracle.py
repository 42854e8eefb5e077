"""The rules R1-R15 read row by row in plain Python, to be compared with the mapper; R16 is in `oracle_tracking`.

Slow and simple on purpose, and written from the rules' text alone: nothing is shared with the mapper. Where the text
leaves room, this is how it is read:

* White space is what `str.isspace` calls so, and nothing else (U+001C-U+001F are, U+200B and U+FEFF are not).
  Blank is null, a missing field, '' or only white space.
* The original text of a value, which findings show and plain string columns hold: a string as it is, null as null, a
  number as it was written, a boolean, array or object as compact JSON with repeated keys kept.
* R1 takes `YYYY-MM-DD`, that followed by `T` or one space and `HH:MM[:SS[.fraction]][Z|+HH:MM|+HHMM]`, and
  month/day/year with one or two digits for month and day. White space around it is tolerated, digits are ASCII, the
  date is taken as it is written. Outside 1970-01-01..2149-06-06 a ClickHouse Date would change it: unreadable.
* R4 strips white space around text. Underflow to 0.0 is a number, overflow to infinity is not. An integer, number or
  text, may be written with a fraction of zeros (`123.0`), never with an exponent.
* R5: -0.0 is not negative. R6 is the product of two 64-bit floats, whatever comes out.
* R8 strips white space around text; within it JSON is strictly RFC 8259. A lone surrogate escape makes it
  unreadable. An object that ClickHouse's JSON type refuses (a path twice, a number beyond 64-bit floats, more than 100
  levels) is null with a finding, but its text column holds it, and R9 and R13 read it, of repeated keys the last.
* R9: '' stays ''. R12: all `/` at the end are left out. R13: only strings and numbers name a machine.
* "In any case" compares by `str.lower`.
* The four key columns come from the tap and are taken as they are, `billing_month` as a date.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mapper.oracle_json import Json, JsonObject, Number, is_blank, json_text, load_json, nesting, original_text

if TYPE_CHECKING:
    from collections.abc import Mapping

TAG_COLUMNS = {
    "app": "cmdb_mapped_application_service",
    "ppm_billing_item": "ppm_billing_item",
    "ppm_billing_owner": "ppm_id_owner",
    "ppm_io_cc": "ppm_io_cc",
}
ALL_TAG_COLUMNS = tuple(TAG_COLUMNS.values())
STRING_COLUMNS = (
    "account_owner_id", "account_name", "service_administrator_id", "subscription_guid", "subscription_name", "product",
    "meter_id", "meter_category", "meter_sub_category", "meter_region", "meter_name", "resource_location",
    "consumed_service", "store_service_identifier", "department_name", "cost_center", "unit_of_measure",
    "resource_group", "billing_currency", "charge_type", "extra", "pricing_model", "frequency", "publisher_type",
    "publisher_name", "reservation_id", "reservation_name", "benefit_id", "benefit_name", "term", "part_number",
    "service_family", "product_order_id", "product_order_name", "billing_profile_id", "billing_profile_name",
    "invoice_section_id", "invoice_section_name", "invoice_id", "pricing_currency", "availability_zone", "provider",
    "run_id",
)  # fmt: skip
"""String columns without a rule of their own."""

NUMBER_COLUMNS = ("consumed_quantity", "resource_rate", "unit_price", "payg_price", "exchange_rate", "cost_in_usd")
"""Columns of numbers of which an unreadable one is null."""

VIRTUAL_MACHINES = "Virtual Machines"
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FIRST_DATE, LAST_DATE = date(1970, 1, 1), date(2149, 6, 6)
SMALLEST_INT64, LARGEST_INT64 = -(2**63), 2**63 - 1
DEEPEST_NESTING = 100

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
INTEGER = re.compile(r"([+-]?)0*([0-9]+)(\.0*)?")
ISO_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?)?"
)
SLASH_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


Severity: TypeAlias = Literal["reject", "null", "warn"]


@dataclass(frozen=True)
class Finding:
    """One finding on a row, without the columns that only repeat the record's."""

    rule: str
    severity: Severity
    column: str
    value: str | None


@dataclass
class Row:
    """What the rules make of one record.

    Attributes:
        staged: the columns of stg_azure_billing_detail but `id` and `create_at`; None if the row is rejected.
            `resource_tracking`, `match_level` and `match_count` are null until `oracle_tracking.track` has filled them.
        findings: in the order of the rules.
        extended_cost: the readable cost, of a rejected row too.
    """

    staged: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)
    extended_cost: float | None = None

    @property
    def rejected(self) -> bool:
        """Whether any finding rejects the row."""
        return any(finding.severity == "reject" for finding in self.findings)


def read_record(line: bytes) -> dict[str, Any]:
    """The record of a RECORD line, its fields as `Json` values."""
    message = load_json(line.decode())
    assert isinstance(message, JsonObject)
    record = message.last("record")
    assert isinstance(record, JsonObject)
    return dict(record.pairs)


def r1_date(value: Json) -> date | None:
    """R1: the date, None if it is missing or unreadable."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if iso := ISO_DATE.fullmatch(text):
        year, month, day = iso[1], iso[2], iso[3]
    elif slashes := SLASH_DATE.fullmatch(text):
        month, day, year = slashes[1], slashes[2], slashes[3]
    else:
        return None
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if FIRST_DATE <= found <= LAST_DATE else None


def r2_calendar(day: date) -> dict[str, Any]:
    """R2: the columns that follow from the date."""
    return {
        "year": day.year,
        "month": day.month,
        "day": day.day,
        "month_date": date(day.year, day.month, 1),
        "newmonth": f"{MONTH_NAMES[day.month - 1]} {day.year}",
    }


def r3_outside_month(day: date, billing_month: date) -> bool:
    """R3: whether the date is in another month than the bill."""
    return (day.year, day.month) != (billing_month.year, billing_month.month)


def r4_number(value: Json) -> float | None:
    """R4: a finite number or text that is one; None if it is blank or unreadable."""
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str) or not NUMBER.fullmatch(text.strip()):
        return None
    number = float(text.strip())
    return number if math.isfinite(number) else None


def r4_integer(value: Json) -> int | None:
    """R4 for `subscription_id`: a 64-bit integer or text that is one; None if it is blank or unreadable."""
    text = value.text if isinstance(value, Number) else value
    found = INTEGER.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or len(found[2]) > len(str(LARGEST_INT64)):
        return None
    number = int(found[1] + found[2])
    return number if SMALLEST_INT64 <= number <= LARGEST_INT64 else None


def r5_negative(cost: float) -> bool:
    """R5: whether the cost is below zero."""
    return cost < 0


def r6_cost_with_tax(cost: float, tax_rate: float) -> float:
    """R6: the cost with tax."""
    return cost * (1 + tax_rate)


def r7_instance_id(value: Json) -> str:
    """R7: the instance id, '' if it is blank."""
    return "" if is_blank(value) else original_text(value) or ""


def r7_is_usage(charge_type: Json) -> bool:
    """R7: whether a row is usage, which has a resource; one that doesn't say what it is counts as usage."""
    return is_blank(charge_type) or (original_text(charge_type) or "").strip().lower() == "usage"


def r8_object(value: Json) -> JsonObject | None:
    """R8: the object that a value holds, None for nothing; ValueError if it holds anything else."""
    if is_blank(value):
        return None
    if isinstance(value, str):
        text = value.strip()
        candidates = [text] if text.startswith("{") else ["{" + text + "}", text]
    else:
        candidates = [json_text(value)]
    for candidate in candidates:
        try:
            found = load_json(candidate)
            json_text(found).encode()  # UTF-8 has no lone surrogate: UnicodeEncodeError, which is a ValueError
        except ValueError:
            continue
        if found is None or found == [] or found == JsonObject(()):
            return None
        if isinstance(found, JsonObject):
            return found
    raise ValueError("not a JSON object")


def r8_fits_json_column(found: JsonObject) -> bool:
    """R8: whether ClickHouse's JSON type takes the object: no path twice, no overflow, at most 100 levels."""
    return nesting(json_text(found)) <= DEEPEST_NESTING and _no_overflow(found) and _no_path_twice(found)


def _no_overflow(value: Json) -> bool:
    match value:
        case Number():
            is_integer = value.text.lstrip("-").isdigit()
            return is_integer or math.isfinite(float(value.text))
        case JsonObject():
            return all(_no_overflow(member) for _, member in value.pairs)
        case list():
            return all(_no_overflow(entry) for entry in value)
    return True


def _no_path_twice(found: JsonObject) -> bool:
    objects, leaves = [("", found)], []
    while objects:
        prefix, current = objects.pop()
        keys = [key for key, _ in current.pairs]
        if len(keys) != len(set(keys)):
            return False
        for key, member in current.pairs:
            if isinstance(member, JsonObject):
                objects.append((f"{prefix}{key}.", member))
            else:
                leaves.append(f"{prefix}{key}")
                if not _lists_have_no_path_twice(member):
                    return False
    return len(leaves) == len(set(leaves))


def _lists_have_no_path_twice(value: Json) -> bool:
    if isinstance(value, JsonObject):
        return _no_path_twice(value)
    return not isinstance(value, list) or all(_lists_have_no_path_twice(entry) for entry in value)


def r9_tag_values(tags: JsonObject | None, tag_columns: Mapping[str, str]) -> dict[str, str | None]:
    """R9: the columns that are read from the tags."""
    columns: dict[str, str | None] = dict.fromkeys(ALL_TAG_COLUMNS)
    for key, column in tag_columns.items():
        columns[column] = None if tags is None else original_text(tags.last(key))
    return columns


def r10_sku(meter_category: str | None, product: str | None, meter_name: str | None) -> str | None:
    """R10: the operating system of a virtual machine, or SQL."""
    if meter_category == VIRTUAL_MACHINES:
        return "Windows" if "windows" in (product or "").lower() else "Linux"
    return "SQL" if meter_name == "100 DWUs" else None


def r11_latest_resource_type(sku: str | None, meter_name: str | None) -> str | None:
    """R11: operating system and meter."""
    if sku in {"Windows", "Linux"} and meter_name is not None:
        return f"{sku}-{meter_name}"
    return None


def r12_last_segment(resource_id: str) -> str:
    """R12: what follows the last `/`, those at the end left out."""
    return resource_id.rstrip("/").split("/")[-1]


def r13_resource_name(meter_category: str | None, instance_id: str, additional_info: JsonObject | None) -> str:
    """R13: the machine's name for a cluster's node, else the last segment."""
    if meter_category == VIRTUAL_MACHINES and "aks-" in instance_id.lower() and additional_info is not None:
        for key in ("VMName", "VmName"):
            name = additional_info.last(key)
            if isinstance(name, Number):
                return name.text
            if isinstance(name, str) and not is_blank(name):
                return name
    return r12_last_segment(instance_id)


def r14_vm_name(meter_category: str | None, resource_name: str) -> str | None:
    """R14: the resource name of a virtual machine."""
    return resource_name if meter_category == VIRTUAL_MACHINES else None


def r15_service_info(value: Json) -> str | None:
    """R15: blank becomes null, the rest stays."""
    return None if is_blank(value) else original_text(value)


def read_row(
    record: Mapping[str, Any],
    *,
    tax_rate: float = 0.06,
    missing_instance_id: Literal["quarantine", "keep"] = "quarantine",
    tag_columns: Mapping[str, str] = TAG_COLUMNS,
) -> Row:
    """Apply R1-R15 to one record as `read_record` gives it."""
    row = Row()
    staged: dict[str, Any] = {column: original_text(record.get(column)) for column in STRING_COLUMNS}
    staged |= _key_columns(record)
    staged |= _date_columns(record, row)
    staged |= _number_columns(record, row, tax_rate)

    instance_id = staged["instance_id"] = r7_instance_id(record.get("instance_id"))
    if not instance_id:
        refused = missing_instance_id == "quarantine" and r7_is_usage(record.get("charge_type"))
        _found(row, record, "R7", "reject" if refused else "warn", "instance_id")

    tags = _object_column(record, row, "tags")
    additional_info = _object_column(record, row, "additional_info")
    for column, found in (("tags", tags), ("additional_info", additional_info)):
        staged[f"{column}_text"] = text = None if found is None else json_text(found)
        staged[column] = text if found is not None and r8_fits_json_column(found) else None

    category, meter_name = staged["meter_category"], staged["meter_name"]
    staged |= r9_tag_values(tags, tag_columns)
    staged["sku"] = r10_sku(category, staged["product"], meter_name)
    staged["latest_resource_type"] = r11_latest_resource_type(staged["sku"], meter_name)
    staged["resource_name"] = r13_resource_name(category, instance_id, additional_info)
    staged["vm_name"] = r14_vm_name(category, staged["resource_name"])
    for column in ("service_info1", "service_info2"):
        staged[column] = r15_service_info(record.get(column))
    staged["resource_tracking"] = staged["match_level"] = staged["match_count"] = None

    row.staged = None if row.rejected else staged
    return row


def _found(row: Row, record: Mapping[str, Any], rule: str, severity: Severity, column: str) -> None:
    row.findings.append(Finding(rule, severity, column, original_text(record.get(column))))


def _key_columns(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "enrollment_number": record["enrollment_number"],
        "dataset": record.get("dataset") or "actual",
        "billing_month": date.fromisoformat(record["billing_month"][:10]),
        "snapshot_at": record["snapshot_at"],
        "row_number": int(record["row_number"].text),
    }


def _date_columns(record: Mapping[str, Any], row: Row) -> dict[str, Any]:
    day = r1_date(record.get("date"))
    if day is None:
        _found(row, record, "R1", "reject", "date")
        return {}
    if r3_outside_month(day, _key_columns(record)["billing_month"]):
        _found(row, record, "R3", "warn", "date")
    return {"date": day} | r2_calendar(day)


def _number_columns(record: Mapping[str, Any], row: Row, tax_rate: float) -> dict[str, Any]:
    columns: dict[str, Any] = {
        **{name: r4_number(record.get(name)) for name in NUMBER_COLUMNS},
        "subscription_id": r4_integer(record.get("subscription_id")),
    }
    for column, number in columns.items():
        if number is None and not is_blank(record.get(column)):
            _found(row, record, "R4", "null", column)

    cost = columns["extended_cost"] = row.extended_cost = r4_number(record.get("extended_cost"))
    if cost is None:
        _found(row, record, "R4", "reject", "extended_cost")
        return columns
    if r5_negative(cost):
        _found(row, record, "R5", "warn", "extended_cost")
    return columns | {"extended_cost_tax": r6_cost_with_tax(cost, tax_rate)}


def _object_column(record: Mapping[str, Any], row: Row, column: str) -> JsonObject | None:
    try:
        found = r8_object(record.get(column))
    except ValueError:
        _found(row, record, "R8", "null", column)
        return None
    if found is not None and not r8_fits_json_column(found):
        _found(row, record, "R8", "null", column)
    return found
