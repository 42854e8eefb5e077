"""The rules on the resource that was used: its id, name and kind, R7 and R10 to R15."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mapper_azure_billing_tracking.rules.objects import INFO_VM
from mapper_azure_billing_tracking.rules.rule import Condition, Rule, given, is_blank, stripped

if TYPE_CHECKING:
    from mapper_azure_billing_tracking.rules.rule import RuleContext

LAST_SEGMENT = "_last_segment"
"""What R12 calls the last segment, which no table has as a column of a usage row."""
_VIRTUAL_MACHINES = "Virtual Machines"


def r7_instance_id(context: RuleContext) -> Rule:
    """R7: a blank `instance_id` is kept as '' with a warning; where the row is usage, it rejects the row by default.

    Purchases, refunds and rounding have no resource; a row that doesn't say what kind of charge it is counts as usage.
    """
    blank = is_blank(given("instance_id"))
    usage = is_blank(given("charge_type")) | (stripped(given("charge_type")).str.to_lowercase() == "usage")
    refused = blank & usage if context.settings.missing_instance_id == "quarantine" else pl.lit(value=False)
    return Rule(
        "R7",
        {"instance_id": pl.when(blank).then(pl.lit("")).otherwise(given("instance_id"))},
        (Condition("reject", "instance_id", refused), Condition("warn", "instance_id", blank & ~refused)),
    )


def r10_sku(_: RuleContext) -> Rule:
    """R10: `sku` is Windows or Linux for virtual machines, SQL for 100 DWUs, else null."""
    windows = given("product").str.to_lowercase().str.contains("windows", literal=True).fill_null(value=False)
    return Rule(
        "R10",
        {
            "sku": pl.when(_is_vm() & windows)
            .then(pl.lit("Windows"))
            .when(_is_vm())
            .then(pl.lit("Linux"))
            .when(given("meter_name") == "100 DWUs")
            .then(pl.lit("SQL"))
        },
    )


def r11_latest_resource_type(_: RuleContext) -> Rule:
    """R11: `latest_resource_type` = `sku`-`meter_name` where `sku` is Windows or Linux."""
    joined = pl.concat_str(pl.col("sku"), pl.lit("-"), given("meter_name"))
    return Rule("R11", {"latest_resource_type": pl.when(pl.col("sku").is_in(["Windows", "Linux"])).then(joined)})


def r12_last_segment(_: RuleContext) -> Rule:
    """R12: the last segment of an id is what follows its last `/`, those at its end not counted."""
    return Rule("R12", {LAST_SEGMENT: last_segment()})


def last_segment() -> pl.Expr:
    """Return the last segment of `instance_id`, named `LAST_SEGMENT`."""
    return pl.col("instance_id").str.strip_chars_end("/").str.extract("[^/]*$", 0).alias(LAST_SEGMENT)


def r13_resource_name(_: RuleContext) -> Rule:
    """R13: `resource_name` is the machine's name for virtual machines of AKS, else the last segment."""
    aks = pl.col("instance_id").str.to_lowercase().str.contains("aks-", literal=True)
    name = pl.when(_is_vm() & aks).then(pl.col(INFO_VM))
    return Rule("R13", {"resource_name": name.fill_null(pl.col(LAST_SEGMENT))})


def r14_vm_name(_: RuleContext) -> Rule:
    """R14: `vm_name` is `resource_name` for virtual machines, else null."""
    return Rule("R14", {"vm_name": pl.when(_is_vm()).then(pl.col("resource_name"))})


def r15_service_info(_: RuleContext) -> Rule:
    """R15: blank `service_info1` and `service_info2` become null."""
    names = ("service_info1", "service_info2")
    return Rule("R15", {name: pl.when(~is_blank(given(name))).then(given(name)) for name in names})


def _is_vm() -> pl.Expr:
    return (given("meter_category") == _VIRTUAL_MACHINES).fill_null(value=False)
