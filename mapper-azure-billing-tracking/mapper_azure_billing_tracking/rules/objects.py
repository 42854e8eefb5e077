"""The rules on tags and additional info: R8 and R9; how a document is read is in `documents`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.tables import text_column
from mapper_azure_billing_tracking.batches.columns import given_name
from mapper_azure_billing_tracking.config import TAG_COLUMNS
from mapper_azure_billing_tracking.rules.distinct import VALUE
from mapper_azure_billing_tracking.rules.documents import (
    MACHINE,
    OBJECT,
    UNREADABLE,
    additional_info_of,
    tags_reader,
)
from mapper_azure_billing_tracking.rules.rule import Condition, LookUp, Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from mapper_azure_billing_tracking.rules.distinct import Remembered
    from mapper_azure_billing_tracking.rules.rule import RuleContext

INFO_VM = "_additional_info.vm"
"""What R8 calls the machine's name in additional info (R13)."""


def r8_objects(context: RuleContext) -> Rule:
    """R8: `tags` and `additional_info` as compact JSON objects; null with a finding where they are none.

    An object that no JSON column holds is null with a finding too, but its text column holds it.
    """
    tags = {tag: _tag_name(column) for tag, column in context.settings.tag_columns.items()}
    readers = {
        "tags": context.memory.of("tags", tags_reader(tags)),
        "additional_info": context.memory.of("additional_info", additional_info_of),
    }
    return Rule(
        "R8",
        {
            **{name: pl.when(~_unreadable(name)).then(_object(name)) for name in readers},
            **{text_column(name): _object(name) for name in readers},
        },
        tuple(Condition("null", name, _unreadable(name)) for name in readers),
        tuple(LookUp((given_name(name),), _finder(name, reader)) for name, reader in readers.items()),
    )


def _finder(name: str, reader: Remembered) -> Callable[[pl.DataFrame], pl.DataFrame]:
    found = {
        VALUE: given_name(name),
        OBJECT: f"_{name}.{OBJECT}",
        UNREADABLE: f"_{name}.{UNREADABLE}",
        MACHINE: INFO_VM,
    }
    return lambda rows: reader.look_up(rows[given_name(name)]).rename(found, strict=False)


def _object(name: str) -> pl.Expr:
    return pl.col(f"_{name}.{OBJECT}")


def _unreadable(name: str) -> pl.Expr:
    return pl.col(f"_{name}.{UNREADABLE}")


def _tag_name(column: str) -> str:
    """Return the name of the column that holds a tag's text before R9 names it."""
    return f"_tag.{column}"


def r9_tag_columns(context: RuleContext) -> Rule:
    """R9: columns filled from `tags` by exact key."""
    filled = {column: pl.col(_tag_name(column)) for column in context.settings.tag_columns.values()}
    return Rule("R9", {column: filled.get(column, pl.lit(None, pl.String)) for column in TAG_COLUMNS.values()})
