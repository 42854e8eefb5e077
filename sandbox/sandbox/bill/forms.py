"""Charges as frames in the forms that files have: text or Parquet's types; what they say is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from sandbox.bill.amounts import number_text
from sandbox.bill.columns import DATES, NUMBERS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

Charge = Mapping[str, Any]
"""Field to its value: text, None, a date or a Decimal."""

DECIMAL = pl.Decimal(38, 18)
EXACT_COST = "exact cost"
"""A column beside the fields: the cost as a Decimal, whatever form the fields have."""

_COST = "costInBillingCurrency"


@dataclass(frozen=True)
class Form:
    """How values are written.

    Attributes:
        date_format: For `strftime`; '' keeps timestamps.
        decimals: Whether numbers stay decimals instead of text.
        braces: Whether tags have them.
        booleans: Whether true and false stay booleans instead of text.
    """

    date_format: str = "%m/%d/%Y"
    decimals: bool = False
    braces: bool = True
    booleans: bool = False

    @property
    def date_type(self) -> pl.DataType:
        """The type of a column of dates."""
        return pl.String() if self.date_format else pl.Datetime("ms")

    def date(self, day: date | None) -> str | datetime | None:
        """Return a date as it is written."""
        if day is None:
            return None
        return day.strftime(self.date_format) if self.date_format else datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the files' timestamps have no zone


def frame_of(charges: Sequence[Charge], form: Form) -> pl.DataFrame:
    """Return charges as a frame of all fields and `EXACT_COST`."""
    numbers = pl.DataFrame([numbers_of(charges, name, form) for name in (*NUMBERS, EXACT_COST)])
    return pl.concat([texts_of(charges, form), numbers, dates_of(charges, form)], how="horizontal")


def texts_of(charges: Sequence[Charge], form: Form) -> pl.DataFrame:
    """Return the text fields of charges; a boolean is one of them."""
    table = pl.DataFrame(charges, schema=dict.fromkeys(TEXTS, pl.String), infer_schema_length=None)
    if not form.braces:
        table = table.with_columns(pl.col("tags").str.strip_prefix("{").str.strip_suffix("}"))
        table = table.with_columns(pl.when(pl.col("tags") != "").then("tags"))
    if form.booleans:
        table = table.with_columns(pl.col("isAzureCreditEligible") == "True")
    return table


def numbers_of(charges: Sequence[Charge], name: str, form: Form) -> pl.Series:
    """Return a field that is a number, or the exact cost."""
    values = [charge[_COST if name == EXACT_COST else name] for charge in charges]
    if form.decimals or name == EXACT_COST:
        return pl.Series(name, values, dtype=DECIMAL)
    shift = NUMBERS.index(name)
    return pl.Series(name, [number_text(value, place + shift) for place, value in enumerate(values)])


def dates_of(charges: Sequence[Charge], form: Form) -> pl.DataFrame:
    """Return the dates of charges."""
    return pl.DataFrame(
        {name: pl.Series([form.date(charge.get(name)) for charge in charges], dtype=form.date_type) for name in DATES}
    )
