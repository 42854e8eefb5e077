"""The rules in the order in which they run, and how they run; what a rule says is in its function.

docs/rules.md explains each with examples, which a test runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapper_azure_billing_tracking.rules.costs import r4_numbers, r5_negative_cost, r6_tax
from mapper_azure_billing_tracking.rules.dates import r1_date, r2_date_parts, r3_date_in_month
from mapper_azure_billing_tracking.rules.findings import flags
from mapper_azure_billing_tracking.rules.objects import r8_objects, r9_tag_columns
from mapper_azure_billing_tracking.rules.resources import (
    r7_instance_id,
    r10_sku,
    r11_latest_resource_type,
    r12_last_segment,
    r13_resource_name,
    r14_vm_name,
    r15_service_info,
)
from mapper_azure_billing_tracking.rules.tracking import r16_tracking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from mapper_azure_billing_tracking.rules.rule import Rule, RuleContext

RULES: tuple[Callable[[RuleContext], Rule], ...] = (
    r1_date,
    r2_date_parts,
    r3_date_in_month,
    r4_numbers,
    r5_negative_cost,
    r6_tax,
    r7_instance_id,
    r8_objects,
    r9_tag_columns,
    r10_sku,
    r11_latest_resource_type,
    r12_last_segment,
    r13_resource_name,
    r14_vm_name,
    r15_service_info,
    r16_tracking,
)
"""A rule may use the columns of those before it."""


def rules_for(context: RuleContext) -> list[Rule]:
    """Return the rules for a batch, in order."""
    return [rule(context) for rule in RULES]


def run(rules: Sequence[Rule], frame: pl.DataFrame) -> pl.DataFrame:
    """Run rules on a batch.

    Args:
        rules: The rules, in order.
        frame: The original batch.

    Returns:
        Its rows in the same order, with the columns of all rules and the flags of their findings.
    """
    rows = frame.lazy()
    for rule in rules:
        for look_up in rule.look_ups:
            known = frame
            if not set(look_up.on) <= set(frame.columns):
                known = rows.collect()
                rows = known.lazy()
            found = look_up.find(known.select(look_up.on)).lazy()
            rows = rows.join(found, on=look_up.on, how="left", maintain_order="left", nulls_equal=True)
        rows = rows.with_columns(**rule.columns)
    return rows.with_columns(flags(rules)).collect()
