"""The oddities of single rows that Azure billing data is known for, one named change for each; `generator` places them.

Each applies to one row in a thousand, so 95 of 100 rows are plain and every trap is in every thousand rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from sandbox.bill.wire import Row, encode

Change = Callable[[Row, date], None]

CYCLE = 1000
"""Rows among which each trap occurs once."""


class Trap(NamedTuple):
    """One oddity.

    Attributes:
        name: What is odd.
        rule: The rule of the staging table that meets it, `wire` for what only the reader of the answer meets.
        change: Changes a plain row of a day in place.
        kind: The resource kind that it needs, '' for any.
    """

    name: str
    rule: str
    change: Change
    kind: str = ""


def _put(**values: object) -> Change:
    """Return a change that sets fields to these values (a Decimal is a number literal)."""
    texts = {field: encode(value) for field, value in values.items()}

    def change(row: Row, _day: date) -> None:
        row.update(texts)

    return change


def _drop(*fields: str) -> Change:
    def change(row: Row, _day: date) -> None:
        for field in fields:
            del row[field]

    return change


def _date(form: Callable[[date], str]) -> Change:
    def change(row: Row, day: date) -> None:
        row["Date"] = encode(form(day))

    return change


def _text(field: str, form: Callable[[str], str]) -> Change:
    """Return a change of a field's string value ('' where the value is no string)."""

    def change(row: Row, _day: date) -> None:
        value = json.loads(row[field])
        row[field] = encode(form(value if isinstance(value, str) else ""))

    return change


def _as_object(field: str) -> Change:
    """Return a change that serves the object itself where the API sends its JSON text."""

    def change(row: Row, _day: date) -> None:
        row[field] = json.loads(row[field]) or "{}"

    return change


def _month_shifted(days: int) -> Change:
    """Return a change to a date in the month before (negative days) or after the row's own."""

    def change(row: Row, day: date) -> None:
        first = day.replace(day=1)
        shifted = first - timedelta(days=-days) if days < 0 else first + timedelta(days=31 + days)
        row["Date"] = encode(shifted.strftime("%m/%d/%Y"))
        row.update(Month=str(shifted.month), Day=str(shifted.day), Year=str(shifted.year))

    return change


def _repeated(_row: Row, _day: date) -> None:
    """Leave the row unchanged: the generator has made it equal to the one before."""


IDENTICAL = "identical_to_the_row_before"

_VM_SIZE = '"ServiceType":"Standard_D8s_v3","VCPUs":8'
_ODD_TAGS = (
    '{"app":4711,"ppm_billing_item":12.50,"ppm_billing_owner":true,"ppm_io_cc":null,"critical":false,"cost":7.29E-9,'
    '"ratio":0.1,"retired":null}'
)
_NESTED_TAGS = (
    '{"app":{"name":"orderhub","tier":[1, 2]},"ppm_io_cc":["IO-1","IO-2"],"ppm_billing_owner":"","environment":"prd"}'
)
_KUBERNETES_TAGS = (
    '{"app":"crm","app.kubernetes.io-name":"web","app.kubernetes.io/part-of":"门店 A"," app":"shop","owner":null,'
    '"kubernetes.io-created-for-pvc-name":"data","labels":{},"a":{"b":1},"a.b.c":2}'
)

TRAPS = (
    Trap(IDENTICAL, "wire", _repeated),
    Trap(IDENTICAL, "wire", _repeated),
    Trap("field_unknown", "wire", _put(PartNumber="AAD-37090", Benefit={"id": None, "name": "预留"})),
    Trap("field_missing", "wire", _drop("ServiceInfo2", "StoreServiceIdentifier", "DepartmentName")),
    Trap("fields_null", "wire", _put(AccountName=None, Product=None, MeterName=None, ResourceGroup=None), "vm"),
    Trap("date_iso", "R1", _date(date.isoformat)),
    Trap("date_time_iso", "R1", _date(lambda day: f"{day.isoformat()}T00:00:00")),
    Trap("date_unpadded", "R1", _date(lambda day: f"{day.month}/{day.day}/{day.year}")),
    Trap("date_unreadable", "R1", _put(Date="13/45/2026")),
    Trap("date_null", "R1", _put(Date=None)),
    Trap("date_parts_disagree", "R2", _put(Month=1, Day=1, Year=1999)),
    Trap("date_before_month", "R3", _month_shifted(-1)),
    Trap("date_after_month", "R3", _month_shifted(1)),
    Trap("cost_text", "R4", _put(ExtendedCost="12.75")),
    Trap("cost_tiny_text", "R4", _put(ExtendedCost="7.29E-9")),
    Trap("cost_tiny", "R4", _put(ExtendedCost=Decimal("7.29E-9"))),
    Trap("cost_17_digits", "R4", _put(ExtendedCost=Decimal("0.10000000000000001"))),
    Trap("cost_17_digits_above_1000", "R4", _put(ExtendedCost=Decimal("1234.5678901234567"))),
    Trap("cost_unreadable", "R4", _put(ExtendedCost="n/a")),
    Trap("cost_underscore", "R4", _put(ExtendedCost="1_000")),
    Trap("cost_missing", "R4", _drop("ExtendedCost")),
    Trap("cost_null", "R4", _put(ExtendedCost=None)),
    Trap("quantity_unreadable", "R4", _put(ConsumedQuantity="0x10")),
    Trap("quantity_blank_rate_not_finite", "R4", _put(ConsumedQuantity="", ResourceRate="NaN")),
    Trap("subscription_id_beyond_float", "R4", _put(SubscriptionId=9007199254740993)),
    Trap("subscription_id_text", "R4", _put(SubscriptionId="23467313421")),
    Trap("cost_negative", "R5", _put(ExtendedCost=Decimal("-153.20754716981133"), ConsumedQuantity=-24)),
    Trap("cost_negative_tiny", "R5", _put(ExtendedCost=Decimal("-1.5E-11"))),
    Trap("instance_empty", "R7", _put(InstanceId="", ResourceGroup="")),
    Trap("instance_null", "R7", _put(InstanceId=None)),
    Trap("instance_white_space", "R7", _put(InstanceId="   ")),
    Trap("tags_braceless", "R8", _put(Tags='"app": "ORDERHUB","environment": "prd","ppm_io_cc": "IO-700100"')),
    Trap("tags_object", "R8", _as_object("Tags"), "sqldb"),
    Trap("tags_malformed", "R8", _put(Tags='{"app":"CRM","environment":')),
    Trap("tags_plain_text", "R8", _put(Tags="app=crm; environment=prd")),
    Trap("tags_array", "R8", _put(Tags='["app","crm"]')),
    Trap("tags_white_space", "R8", _put(Tags="  ", AdditionalInfo="null")),
    Trap("tags_kubernetes", "R8", _put(Tags=_KUBERNETES_TAGS)),
    Trap("additional_info_braceless", "R8", _text("AdditionalInfo", lambda text: text.strip("{}")), "vm"),
    Trap("additional_info_object", "R8", _as_object("AdditionalInfo"), "vm"),
    Trap("additional_info_malformed", "R8", _put(AdditionalInfo='{"ServiceType" "Standard_D8s_v3"}'), "aks"),
    Trap("tags_values_of_other_types", "R9", _put(Tags=_ODD_TAGS)),
    Trap("tags_values_nested", "R9", _put(Tags=_NESTED_TAGS)),
    Trap("product_white_space", "R10", _put(Product=" "), "vm"),
    Trap("vm_name_blank", "R13", _put(AdditionalInfo=f'{{"VMName":" ","VmName":"aks-spare-01_7",{_VM_SIZE}}}'), "aks"),
    Trap("vm_name_number", "R13", _put(AdditionalInfo=f'{{"VmName":100200,{_VM_SIZE}}}'), "aks"),
    Trap("aks_upper_case", "R13", _text("InstanceId", str.upper), "aks"),
    Trap("instance_ends_in_slash", "R12", _text("InstanceId", lambda text: f"{text}/"), "disk"),
    Trap("instance_not_ascii", "R16", _put(InstanceId="门店系统-数据库", ResourceGroup="")),
    Trap("resource_group_other_application", "R16", _put(ResourceGroup="RG-Payments-Shared"), "sqldb"),
)  # fmt: skip
