"""The rules on quantity, price and cost of a usage row: R4 to R6."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mapper_azure_billing_tracking.batches.columns import INTEGERS, NUMBERS, given_name, given_text_name
from mapper_azure_billing_tracking.rules.rule import Condition, Rule, given, is_blank, stripped

if TYPE_CHECKING:
    from mapper_azure_billing_tracking.rules.rule import RuleContext

_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INTEGER = r"^([+-]?[0-9]+)(?:\.0*)?$"


def r4_numbers(context: RuleContext) -> Rule:
    """R4: finite numbers, or text that is one. An unreadable or blank `extended_cost` rejects the row."""
    columns: dict[str, pl.Expr] = {}
    conditions: list[Condition] = []
    for name in NUMBERS:
        read, blank = [], pl.lit(value=True)
        if given_name(name) in context.schema:
            read.append(given(name))
        if given_text_name(name) in context.schema:
            text = pl.col(given_text_name(name))
            read.append(_integer(text) if name in INTEGERS else _number(text))
            blank = is_blank(text)
        columns[name] = pl.coalesce(read)
        unreadable = pl.col(name).is_null()
        if name == "extended_cost":
            conditions.append(Condition("reject", name, unreadable))
        else:
            conditions.append(Condition("null", name, unreadable & ~blank))
    return Rule("R4", columns, tuple(conditions))


def _number(given_text: pl.Expr) -> pl.Expr:
    # Polars reads less than R4: no white space, no `+`. Only what it can't read is looked at closely.
    quick = _finite(given_text)
    text = stripped(pl.when(quick.is_null()).then(given_text))
    return quick.fill_null(_finite(pl.when(text.str.contains(_NUMBER)).then(text.str.strip_prefix("+"))))


def _finite(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _integer(given_text: pl.Expr) -> pl.Expr:
    return stripped(given_text).str.extract(_INTEGER, 1).str.strip_prefix("+").cast(pl.Int64, strict=False)


def r5_negative_cost(_: RuleContext) -> Rule:
    """R5: negative `extended_cost`: warn, kept."""
    return Rule("R5", {}, (Condition("warn", "extended_cost", pl.col("extended_cost") < 0),))


def r6_tax(context: RuleContext) -> Rule:
    """R6: `extended_cost_tax` = `extended_cost` x (1 + tax rate)."""
    return Rule("R6", {"extended_cost_tax": pl.col("extended_cost") * (1 + context.settings.tax_rate)})
