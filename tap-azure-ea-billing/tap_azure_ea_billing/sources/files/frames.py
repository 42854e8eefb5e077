"""From text frames with a file's own header to frames in the columns of `usage_details`, a column at a time; pure.

Values travel as they came: only a date becomes an ISO date where rule R1 reads it as that day, and an empty field null.
What has no column of ours is in `extra`, so nothing of a file is lost.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from tap_azure_ea_billing.sources.dates import iso_date_of_text
from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.sources.files.fitting import fitted
from tap_azure_ea_billing.sources.files.names import COLUMNS, NUMBERS, header_name, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_azure_ea_billing.sources.files.names import NameTable
    from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

_TO_BE_ESCAPED = r'["\\\x00-\x1f]'
_SHOWN_OF_A_HEADER = 1500


class CostFrames:
    """Turns the frames of one file into ours.

    Args:
        header: The file's header, each field as it came.
        names: The names of this family of files.
        file: What the file is called in errors.
        unknown_fields: Where fields that no documented file has are named.
        currency: Value of `billing_currency` where the file has no such column.
        run_id: Value of `run_id`.

    Raises:
        FileError: The header has no cost or no date.
    """

    def __init__(
        self,
        header: Sequence[str],
        names: NameTable,
        file: str,
        unknown_fields: UnknownFields,
        *,
        currency: str | None = None,
        run_id: str | None = None,
    ) -> None:
        texts = [text.replace("\ufeff", "").strip() for text in header]
        known = names.known()
        self._position: dict[str, int] = {}
        for position, text in enumerate(texts):
            self._position.setdefault(header_name(text, known), position)
        self._names = names
        self._chosen = {
            column: found for column, accepted in names.columns.items() if (found := self._first(accepted)) is not None
        }
        for column in ("extended_cost", "date"):
            if column not in self._chosen:
                raise FileError(_nothing_of(column, names, file, texts))
        kept = {self._position.get(plain_name(name)) for name in names.kept}
        left = [position for position in range(len(texts)) if position not in {*self._chosen.values()} - kept]
        self._extra = dict(zip(left, _keys(texts, left), strict=True))
        unknown_fields.name({texts[position] for position in left if header_name(texts[position], known) not in known})
        self._constants = {"billing_currency": currency, "run_id": run_id}

    def frame(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows, given as text columns in the order of the header, as a frame of `COLUMNS`."""
        rows = rows.rename(dict(zip(rows.columns, map(str, range(rows.width)), strict=True)))
        rows = rows.with_columns(pl.col(name).replace("", None) for name in rows.columns if (rows[name] == "").any())
        ours = rows.lazy().select(self._expression(column) for column in COLUMNS if column != "extra").collect()
        ours = ours.with_columns(_dates(ours["date"]), self._extras(rows))
        return ours.select(COLUMNS)

    def _first(self, accepted: Sequence[str]) -> int | None:
        return next(
            (self._position[name] for name in map(plain_name, accepted) if name in self._position),
            None,
        )

    def _field(self, *names: str) -> pl.Expr:
        """Return the values of the first of these names that the file has, null if it has none."""
        position = self._first(names)
        return pl.lit(None, pl.String) if position is None else pl.col(str(position))

    def _expression(self, column: str) -> pl.Expr:
        if column in self._names.rewrites:
            return self._names.rewrites[column](self._field).alias(column)
        if column in self._chosen:
            return pl.col(str(self._chosen[column])).alias(column)
        return pl.lit(self._constants.get(column), pl.String).alias(column)

    def _extras(self, rows: pl.DataFrame) -> pl.Series:
        """Return `extra`: a JSON object of the fields that have no column and are not blank, null if there are none.

        A field that is the same in all rows, as half of them are, is written once for all.
        """
        constant = []
        varying: list[pl.Expr] = []
        for position, key in self._extra.items():
            values = rows[str(position)]
            if values.null_count() == len(values):
                continue
            if not values.has_nulls() and (values == values[0]).all():
                if values[0].strip():
                    constant.append(f"{_json(key)}:{_json(values[0])}")
                continue
            text = pl.col(str(position))
            member = pl.concat_str(pl.lit(f"{_json(key)}:"), _quoted(values))
            varying.append(pl.when(text.str.strip_chars() != "").then(member))
        if constant:
            varying.append(pl.lit(",".join(constant)))
        if not varying:
            return pl.Series("extra", [None], pl.String).new_from_index(0, rows.height)
        members = pl.concat_str(varying, separator=",", ignore_nulls=True)
        whole = pl.when(members != "").then(pl.concat_str(pl.lit("{"), members, pl.lit("}")))
        return rows.lazy().with_columns(whole.alias("extra")).select("extra").collect().to_series()


class FrameBatch:
    """The rows of a frame of `COLUMNS`, as `usage_details` has them.

    Args:
        frame: The frame, with each value as it came.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._frame.height

    def frame(self) -> pl.DataFrame:
        """Return the rows as texts that fit their columns, with `unreadable`."""
        return fitted(self._frame)

    def rows(self, most: int | None = None) -> Iterator[Sequence[Any]]:
        """Yield the values of each row, of no more than `most`; a number is one, digit for digit."""
        frame = fitted(self._frame.head(self._frame.height if most is None else most))
        return zip(*(_values(column) for column in frame), strict=True)


def _values(column: pl.Series) -> list[Any]:
    values = column.to_list()
    if column.name not in NUMBERS:
        return values
    return [None if value is None else msgspec.Raw(value.encode()) for value in values]


def _dates(dates: pl.Series) -> pl.Series:
    """Return dates as ISO dates, others as they came; each text of a column once, since a month has few of them."""
    written = {text: iso_date_of_text(text) or text for text in dates.unique().drop_nulls()}
    return dates.replace_strict(written, default=None, return_dtype=pl.String)


def _quoted(values: pl.Series) -> pl.Expr:
    """Return an expression of the column's values as JSON strings."""
    text = pl.col(values.name)
    if values.str.contains(_TO_BE_ESCAPED).any():
        # An object with the value as its only member, without what stands around the value.
        return pl.struct(text).struct.json_encode().str.slice(len(f'{{"{values.name}":')).str.head(-1)
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def _keys(texts: Sequence[str], positions: Sequence[int]) -> list[str]:
    """Return a key in `extra` for each of these fields; a name that was there before, or none, gets its position."""
    keys: list[str] = []
    for position in positions:
        text = texts[position]
        keys.append(text if text and text not in keys else f"{text or 'column'} ({position + 1})")
    return keys


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _nothing_of(column: str, names: NameTable, file: str, header: Sequence[str]) -> str:
    what = "cost" if column == "extended_cost" else column
    shown = ", ".join(header)
    shown = shown if len(shown) <= _SHOWN_OF_A_HEADER else f"{shown[:_SHOWN_OF_A_HEADER]} ..."
    return (
        f"{file}: the header has no {what} column ({' or '.join(names.columns[column])}), so this is not a file of "
        f"{names.dataset} rows; it has: {shown}."
    )
