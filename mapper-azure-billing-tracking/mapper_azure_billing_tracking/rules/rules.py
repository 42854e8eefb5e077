"""The rules R1-R15, one function each: from a usage row as it came to the columns of the staging row.

What a column means is in `azure_billing_warehouse.tables`; R16 is in `tracking`.
Each rule is explained with an example in docs/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from azure_billing_warehouse.tables import text_column
from mapper_azure_billing_tracking.config import TAG_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_azure_billing_tracking.config import ProcessingConfig

WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
"""Unicode's white space; Rust's own notion, which Polars has, lacks the separators U+001C to U+001F."""

LAST_SEGMENT = "_last_segment"
TAGS_OBJECT, TAGS_UNREADABLE = "_tags_object", "_tags_unreadable"
INFO_OBJECT, INFO_UNREADABLE, INFO_VM = "_info_object", "_info_unreadable", "_info_vm"

_VIRTUAL_MACHINES = "Virtual Machines"
_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INTEGER = r"^([+-]?[0-9]+)(?:\.0*)?$"
_ISO_DATE = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
_US_DATE = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})$"

Severity = Literal["reject", "null", "warn"]


@dataclass(frozen=True)
class Finding:
    """What a rule finds on a row.

    Attributes:
        severity: reject (the row is not staged), null (the value is null) or warn (kept).
        column: The column it was found in.
        when: Whether the row has it.
    """

    severity: Severity
    column: str
    when: pl.Expr


@dataclass(frozen=True)
class Rule:
    """A rule: its number, the columns that it computes, and what it finds."""

    number: str
    columns: Mapping[str, pl.Expr]
    findings: tuple[Finding, ...] = ()


def given(name: str) -> pl.Expr:
    """The column as it came, before any rule."""
    return pl.col(given_name(name))


def given_name(name: str) -> str:
    """Name of a column as it came, in the frame that the rules run on."""
    return f"given.{name}"


def stripped(text: pl.Expr) -> pl.Expr:
    """The text without the white space around it."""
    return text.str.strip_chars(WHITE_SPACE)


def is_blank(text: pl.Expr) -> pl.Expr:
    """Whether a text is null, '' or white space."""
    return text.is_null() | (stripped(text) == "")


def r1_date() -> Rule:
    """R1: `date` is an ISO date, an ISO date-time, MM/DD/YYYY or M/D/YYYY; missing or unreadable: reject.

    A date that ClickHouse's Date can't hold (before 1970-01-01, after 2149-06-06) would be changed unseen: unreadable.
    """
    text = stripped(given("date"))
    iso = text.str.extract(_ISO_DATE, 1).str.to_date("%Y-%m-%d", strict=False)
    us = text.str.extract(f"({_US_DATE})", 1).str.replace(_US_DATE, "$3-$1-$2").str.to_date("%Y-%m-%d", strict=False)
    date = iso.fill_null(us)
    date = pl.when(date.is_between(pl.date(1970, 1, 1), pl.date(2149, 6, 6))).then(date)
    return Rule("R1", {"date": date}, (Finding("reject", "date", pl.col("date").is_null()),))


def r2_date_parts() -> Rule:
    """R2: `year`, `month`, `day`, `month_date` and `newmonth` (such as Oct 2026) come from `date`."""
    date = pl.col("date")
    return Rule(
        "R2",
        {
            "year": date.dt.year().cast(pl.Int64),
            "month": date.dt.month().cast(pl.Int64),
            "day": date.dt.day().cast(pl.Int64),
            "month_date": date.dt.month_start(),
            "newmonth": date.dt.strftime("%b %Y"),
        },
    )


def r3_date_in_month() -> Rule:
    """R3: `date` outside `billing_month`: warn, kept."""
    outside = pl.col("month_date") != pl.col("billing_month").dt.month_start()
    return Rule("R3", {}, (Finding("warn", "date", outside),))


def r4_numbers(schema: pl.Schema) -> Rule:
    """R4: finite numbers, or text that is one. An unreadable or blank `extended_cost` rejects the row.

    Args:
        schema: Types of the frame: the reader gives a number where every value of the frame is one, else texts.
    """
    columns: dict[str, pl.Expr] = {}
    findings: list[Finding] = []
    for name in ("consumed_quantity", "resource_rate", "extended_cost", "subscription_id"):
        if schema[given_name(name)] != pl.String:
            columns[name] = given(name)
            unreadable = blank = pl.col(name).is_null()
        else:
            text = stripped(given(name))
            if name == "subscription_id":
                columns[name] = text.str.extract(_INTEGER, 1).str.strip_prefix("+").cast(pl.Int64, strict=False)
            else:
                number = pl.when(text.str.contains(_NUMBER)).then(text.str.strip_prefix("+"))
                value = number.cast(pl.Float64, strict=False)
                columns[name] = pl.when(value.is_finite()).then(value)
            unreadable, blank = pl.col(name).is_null(), is_blank(given(name))
        if name == "extended_cost":
            findings.append(Finding("reject", name, unreadable))
        else:
            findings.append(Finding("null", name, unreadable & ~blank))
    return Rule("R4", columns, tuple(findings))


def r5_negative_cost() -> Rule:
    """R5: negative `extended_cost`: warn, kept."""
    return Rule(
        "R5",
        {},
        (Finding("warn", "extended_cost", pl.col("extended_cost") < 0),),
    )


def r6_tax(tax_rate: float) -> Rule:
    """R6: `extended_cost_tax` = `extended_cost` x (1 + tax rate)."""
    return Rule("R6", {"extended_cost_tax": pl.col("extended_cost") * (1 + tax_rate)})


def r7_instance_id(missing_instance_id: Literal["quarantine", "keep"]) -> Rule:
    """R7: a blank `instance_id` is kept as '' with a warning; where the row is usage, it rejects the row by default.

    Purchases, refunds and rounding have no resource; a row that doesn't say what kind of charge it is counts as usage.
    """
    blank = is_blank(given("instance_id"))
    usage = is_blank(given("charge_type")) | (stripped(given("charge_type")).str.to_lowercase() == "usage")
    refused = blank & usage if missing_instance_id == "quarantine" else pl.lit(value=False)
    return Rule(
        "R7",
        {"instance_id": pl.when(blank).then(pl.lit("")).otherwise(given("instance_id"))},
        (Finding("reject", "instance_id", refused), Finding("warn", "instance_id", blank & ~refused)),
    )


def r8_objects() -> Rule:
    """R8: `tags` and `additional_info` as compact JSON objects; null with a finding where they are none.

    An object that no JSON column holds is null with a finding too, but its text column holds it.
    """
    return Rule(
        "R8",
        {
            "tags": pl.when(~pl.col(TAGS_UNREADABLE)).then(pl.col(TAGS_OBJECT)),
            "additional_info": pl.when(~pl.col(INFO_UNREADABLE)).then(pl.col(INFO_OBJECT)),
            text_column("tags"): pl.col(TAGS_OBJECT),
            text_column("additional_info"): pl.col(INFO_OBJECT),
        },
        (
            Finding("null", "tags", pl.col(TAGS_UNREADABLE)),
            Finding("null", "additional_info", pl.col(INFO_UNREADABLE)),
        ),
    )


def tag_name(column: str) -> str:
    """Name of the column that holds a tag's text before R9 gives it its own."""
    return f"_tag.{column}"


def r9_tag_columns(tag_columns: Mapping[str, str]) -> Rule:
    """R9: columns filled from `tags` by exact key.

    Args:
        tag_columns: Tag -> column.
    """
    filled = {column: pl.col(tag_name(column)) for column in tag_columns.values()}
    return Rule("R9", {column: filled.get(column, pl.lit(None, pl.String)) for column in TAG_COLUMNS.values()})


def r10_sku() -> Rule:
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


def r11_latest_resource_type() -> Rule:
    """R11: `latest_resource_type` = `sku`-`meter_name` where `sku` is Windows or Linux."""
    joined = pl.concat_str(pl.col("sku"), pl.lit("-"), given("meter_name"))
    return Rule("R11", {"latest_resource_type": pl.when(pl.col("sku").is_in(["Windows", "Linux"])).then(joined)})


def r12_last_segment() -> Rule:
    """R12: the last segment of an id is what follows its last `/`, those at its end not counted."""
    return Rule("R12", {LAST_SEGMENT: pl.col("instance_id").str.strip_chars_end("/").str.extract("[^/]*$", 0)})


def r13_resource_name() -> Rule:
    """R13: `resource_name` is the machine's name for virtual machines of AKS, else the last segment."""
    aks = pl.col("instance_id").str.to_lowercase().str.contains("aks-", literal=True)
    name = pl.when(_is_vm() & aks).then(pl.col(INFO_VM))
    return Rule("R13", {"resource_name": name.fill_null(pl.col(LAST_SEGMENT))})


def r14_vm_name() -> Rule:
    """R14: `vm_name` is `resource_name` for virtual machines, else null."""
    return Rule("R14", {"vm_name": pl.when(_is_vm()).then(pl.col("resource_name"))})


def r15_service_info() -> Rule:
    """R15: blank `service_info1` and `service_info2` become null."""
    names = ("service_info1", "service_info2")
    return Rule("R15", {name: pl.when(~is_blank(given(name))).then(given(name)) for name in names})


def chain(config: ProcessingConfig, schema: pl.Schema) -> list[Rule]:
    """The rules R1-R15 in the order in which they run: a rule may use the columns of those before it.

    Args:
        config: The mapper's settings.
        schema: Types of the frame that they run on.
    """
    return [
        r1_date(),
        r2_date_parts(),
        r3_date_in_month(),
        r4_numbers(schema),
        r5_negative_cost(),
        r6_tax(config.tax_rate),
        r7_instance_id(config.missing_instance_id),
        r8_objects(),
        r9_tag_columns(config.tag_columns),
        r10_sku(),
        r11_latest_resource_type(),
        r12_last_segment(),
        r13_resource_name(),
        r14_vm_name(),
        r15_service_info(),
    ]


def _is_vm() -> pl.Expr:
    return (given("meter_category") == _VIRTUAL_MACHINES).fill_null(value=False)
