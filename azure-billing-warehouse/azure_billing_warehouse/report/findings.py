"""What the rules found in the months of the report, and what each rule does, as a sentence."""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

from typing import TYPE_CHECKING

from azure_billing_warehouse.report.data import Finding
from azure_billing_warehouse.report.rows import COST, KNOWN_COST
from azure_billing_warehouse.schema.ddl import literal, qualified
from azure_billing_warehouse.schema.views import ISSUES
from azure_billing_warehouse.tables import ACTUAL

if TYPE_CHECKING:
    from azure_billing_warehouse.report.rows import Bill

_MOST_OF_AN_EXAMPLE = 80
_EXAMPLES = 3
RULES = {
    "R1": "The date is a calendar day in one of three forms, such as 2026-10-05 or 10/5/2026; without one the row is "
    "rejected.",
    "R2": "Year, month and day come from the date, whatever the record says.",
    "R3": "A date outside the month that was billed is kept with a warning: a day's usage can arrive on another "
    "month's bill.",
    "R4": "Quantities, prices and costs are finite numbers, never rounded: without a readable cost the row is "
    "rejected, any other number that can't be read becomes null.",
    "R5": "A negative cost, such as a refund, is kept with a warning.",
    "R6": "The cost with tax is the cost times one plus the tax rate.",
    "R7": "Usage without an instance id can't be tracked: it is rejected or, if the mapper is set so, kept with a "
    "warning; purchases, refunds and rounding have no resource and are always kept.",
    "R8": "Tags and additional info are JSON objects; anything else becomes null, and so does an object that "
    "ClickHouse's JSON type refuses.",
    "R9": "Some tags have columns of their own, filled by the tag's exact name.",
    "R10": "The SKU is Windows or Linux for virtual machines, SQL for 100 DWUs, and else null.",
    "R11": "The resource type of a virtual machine is its SKU and the name of its meter.",
    "R12": "The last segment of a resource id is what follows its last slash, any slash at its end not counted.",
    "R13": "The name of a resource is the last segment of its id; for virtual machines of AKS it is the machine's "
    "name.",
    "R14": "The VM name is the resource's name for virtual machines, and else null.",
    "R15": "Blank service info becomes null.",
    "R16": "The application is the first pattern that the resource's name contains, else its resource group, else its "
    "subscription; of several in one of these, the one with the lowest id.",
}
"""Rule -> what it does, as `docs/rules.md` has it at length."""


def read_findings(bill: Bill) -> list[Finding]:
    """Read the findings by month, rule, severity and column, with the values that occur most as examples."""
    places = {month.month: place for place, month in enumerate(bill.months) if not month.is_comparison}
    key = "billed, rule, severity, column"
    value = f"substringUTF8(value, 1, {_MOST_OF_AN_EXAMPLE + 1})"
    by_value = (
        f"SELECT billed, rule, severity, column, example, count() AS row_count, {KNOWN_COST} AS known, "
        "countIf(NOT isFinite(cost)) AS unknown FROM "
        f"(SELECT billing_month AS billed, rule, severity, column, {value} AS example, {COST} AS cost "
        f"FROM {qualified(bill.config, ISSUES)} WHERE dataset = {literal(ACTUAL)} AND {bill.of_interest()}) "
        f"GROUP BY {key}, example"
    )
    whole = f"OVER (PARTITION BY {key})"
    rows = bill.query(
        f"SELECT {key}, sum(row_count) {whole}, sumKahan(known) {whole}, sum(unknown) {whole}, example "
        f"FROM ({by_value}) ORDER BY {key}, row_count DESC, example LIMIT {_EXAMPLES} BY {key}"
    )
    found: dict[tuple[object, ...], Finding] = {}
    for month, rule, severity, column, row_count, cost, unknown, example in rows:
        finding = found.setdefault(
            (month, rule, severity, column),
            Finding(
                month=places[month],
                rule=rule,
                severity=severity,
                column=column,
                rows=row_count,
                cost=cost,
                unknown=unknown,
                examples=[],
            ),
        )
        finding.examples.append(_shortened(example))
    return sorted(found.values(), key=lambda finding: (finding.month, len(finding.rule), finding.rule, finding.column))


def _shortened(example: str | None) -> str | None:
    if example is None or len(example) <= _MOST_OF_AN_EXAMPLE:
        return example
    return f"{example[: _MOST_OF_AN_EXAMPLE - 1]}…"
