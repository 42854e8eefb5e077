"""What a rule is, and what it has to work with: the original row, the settings, remembered look-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from mapper_azure_billing_tracking.batches.columns import given_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mapper_azure_billing_tracking.config import ProcessingConfig
    from mapper_azure_billing_tracking.rules.distinct import Memory
    from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine

WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
"""Unicode's white space; Rust's own notion, which Polars uses, lacks the separators U+001C to U+001F."""

Severity = Literal["reject", "null", "warn"]


@dataclass(frozen=True)
class Condition:
    """When a rule has a finding on a row.

    Attributes:
        severity: `reject` (the row is not staged), `null` (the value is null) or `warn` (kept).
        column: The column it is found in.
        when: Whether the row has it.
    """

    severity: Severity
    column: str
    when: pl.Expr


@dataclass(frozen=True)
class LookUp:
    """Columns that no expression can compute: they are found for distinct values and joined to the rows.

    Attributes:
        on: The columns that are looked up, original ones or an earlier rule's.
        find: From a frame of these columns, a row for each usage row, to a frame of them, each combination once, with
            what was found beside them.
    """

    on: tuple[str, ...]
    find: Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Rule:
    """A rule for a batch.

    Attributes:
        number: Its number, such as R1, as in findings and docs/rules.md.
        columns: The columns that it computes besides those of its look-ups, from these and from those of earlier rules.
        conditions: When it has findings.
        look_ups: What it looks up first.
    """

    number: str
    columns: Mapping[str, pl.Expr]
    conditions: tuple[Condition, ...] = ()
    look_ups: tuple[LookUp, ...] = ()


@dataclass(frozen=True)
class RuleContext:
    """What a rule has to work with in a batch.

    Attributes:
        settings: The mapper's settings.
        schema: The original columns of the batch, and their types.
        memory: Look-ups that are remembered from batch to batch.
        engine: The tracking patterns.
    """

    settings: ProcessingConfig
    schema: pl.Schema
    memory: Memory
    engine: ResourceTrackingEngine


def given(name: str) -> pl.Expr:
    """Return the original column, before any rule."""
    return pl.col(given_name(name))


def stripped(text: pl.Expr) -> pl.Expr:
    """Return the text without the white space around it."""
    return text.str.strip_chars(WHITE_SPACE)


def is_blank(text: pl.Expr) -> pl.Expr:
    """Return whether a text is null, '' or white space."""
    return text.is_null() | (stripped(text) == "")
