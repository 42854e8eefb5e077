"""Usage records as JSON, and the batch that is read from them; nothing is judged here.

A record is read in one of two ways with the same result, as long as no name is repeated in it (which JSON advises
against, and no Singer writer does). The quick one is Polars' JSON reader, with types that make it refuse a value that
doesn't match the schema (Categorical refuses a number where a text should be; String would rewrite it).
msgspec finds the records that it refuses, and reads them, value by value, as the original text.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import polars as pl
from typing_extensions import override

from azure_billing_warehouse.errors import OperatorError
from mapper_azure_billing_tracking.batches.batch import UsageBatch
from mapper_azure_billing_tracking.batches.columns import (
    COLUMNS,
    FLOATS,
    INTEGERS,
    KEY_TEXTS,
    NUMBERS,
    ROW_NUMBER,
    TEXTS,
    UNREADABLE,
    given_name,
    given_text_name,
    typed_key,
)
from mapper_azure_billing_tracking.batches.json_values import members, original_text
from mapper_azure_billing_tracking.batches.unreadable import KEY, restored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mapper_azure_billing_tracking.config import ProcessingConfig

_MISREAD = "_misread"
_POSITION = "_position"


class MalformedRecordError(OperatorError):
    """A record can't be read at all, or doesn't say which month and dataset it belongs to."""


@dataclass(frozen=True)
class UsageRecords:
    """Consecutive usage records.

    Attributes:
        records: The JSON object of each.
        line_numbers: The line of the input that each came from, from 1.
    """

    records: list[bytes]
    line_numbers: Sequence[int]


@dataclass(frozen=True)
class JsonBatch(UsageBatch):
    """Usage rows that came as JSON objects.

    Attributes:
        records: The JSON object of each, the values that the tap found unreadable in their own columns.
        line_numbers: The line of the input that each came from, from 1.
        names: Our name of a column -> its name in the objects.
    """

    records: Sequence[bytes]
    line_numbers: Sequence[int]
    names: Mapping[str, str]

    @override
    def original(self, row: int, column: str) -> str | None:
        raw = members(self.records[row]).get(self.names[column])
        return None if raw is None else original_text(raw)

    @override
    def record(self, row: int) -> str:
        record = self.records[row]
        return (restored(record, self.names) if KEY in record else record).decode()


class RecordsReader:
    """Reads usage records into a batch.

    Args:
        config: The mapper's settings: names of the input's columns.
    """

    def __init__(self, config: ProcessingConfig) -> None:
        self._names = {name: config.columns.get(name, name) for name in COLUMNS}
        self._schema: dict[str, pl.DataType | type[pl.DataType]] = {
            UNREADABLE: pl.Categorical,
            **{self._names[name]: pl.Categorical for name in (*TEXTS, *KEY_TEXTS)},
            **{self._names[name]: pl.Float64 for name in FLOATS},
            **{self._names[name]: pl.Int64 for name in (*INTEGERS, ROW_NUMBER)},
        }
        integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None
        types: dict[str, Any] = {
            **dict.fromkeys((*TEXTS, *KEY_TEXTS), str | None),
            **dict.fromkeys(FLOATS, float | None),
            **dict.fromkeys((*INTEGERS, ROW_NUMBER), integer),
        }
        fields = [(name, kind, None) for name, kind in {UNREADABLE: None, **types}.items()]
        self._plain = msgspec.json.Decoder(msgspec.defstruct("Plain", fields, rename=self._names))

    def read(self, usage: UsageRecords) -> JsonBatch:
        """Read records, those that match the schema separately from the others.

        Args:
            usage: The records.

        Raises:
            MalformedRecordError: A record is not a JSON object, lacks a key column, or has an `unreadable` that
                can't be read.
        """
        frame = self._read_quickly(usage.records)
        if frame is None:
            odd = [position for position, record in enumerate(usage.records) if not self._is_plain(record)]
            usage = self._restored(usage, odd)
            frame = self._read_apart(usage, odd)
        typed = self._typed(frame, usage)
        place = f"Line {usage.line_numbers[0]} of the input" if usage.line_numbers else ""
        return JsonBatch(typed, place, usage.records, usage.line_numbers, self._names)

    def _restored(self, usage: UsageRecords, odd: Sequence[int]) -> UsageRecords:
        """Return the records, the odd ones with the values that the tap found unreadable in their own columns."""
        records = list(usage.records)
        for position in odd:
            if KEY not in records[position]:
                continue
            try:
                records[position] = restored(records[position], self._names)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise MalformedRecordError(
                    f"Line {usage.line_numbers[position]} of the input is no record that can be read, or its "
                    f"{UNREADABLE} is no JSON object of columns and their values: {error}."
                ) from error
        return UsageRecords(records, usage.line_numbers)

    def _read_apart(self, usage: UsageRecords, odd: Sequence[int]) -> pl.DataFrame:
        """Read what it can quickly, the odd ones exactly; numbers in these become texts in their own columns."""
        everything = range(len(usage.records))
        apart = set(odd)
        plain = [position for position in everything if position not in apart]
        frame = self._read_quickly([usage.records[position] for position in plain])
        if frame is None:  # Polars refuses what msgspec accepts
            return self._read_exactly(usage, everything)
        parts = (
            part.with_columns(
                pl.Series(_POSITION, positions, dtype=pl.Int64),
                pl.col(self._names[ROW_NUMBER]).cast(pl.UInt64, strict=False),
            )
            for part, positions in ((frame, plain), (self._read_exactly(usage, odd), odd))
        )
        return pl.concat(parts, how="diagonal").sort(_POSITION).drop(_POSITION)

    def _read_quickly(self, records: list[bytes]) -> pl.DataFrame | None:
        lines = pl.Series(records, dtype=pl.Binary).bin
        if lines.contains(b"\\ud").any() or lines.contains(b"\\uD").any():
            return None  # Polars reads half of a surrogate pair as U+0000
        try:
            frame = pl.read_ndjson(io.BytesIO(b"\n".join(records)), schema=self._schema)
        except pl.exceptions.PolarsError:
            return None  # a value doesn't match the schema, or isn't JSON: the exact reader finds out which
        if frame.height != len(records) or frame.drop_in_place(UNREADABLE).null_count() != frame.height:
            return None
        texts = pl.col(pl.Categorical).cast(pl.String)
        # An integer of more than 64 bits is read as a text: Rust's name for it.
        misread = pl.any_horizontal(texts.str.starts_with("Static(").any()).alias(_MISREAD)
        frame = frame.with_columns(texts, misread)
        return None if frame.drop_in_place(_MISREAD).any() else frame

    def _is_plain(self, record: bytes) -> bool:
        try:
            self._plain.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def _read_exactly(self, usage: UsageRecords, positions: Sequence[int]) -> pl.DataFrame:
        columns: dict[str, list[str | None]] = {name: [] for name in self._names.values()}
        for position in positions:
            try:
                values = members(usage.records[position])
                for name, column in columns.items():
                    raw = values.get(name)
                    column.append(None if raw is None else original_text(raw))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise MalformedRecordError(
                    f"Line {usage.line_numbers[position]} of the input can't be read as a record: {error}."
                ) from error
        texts = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        return texts.rename({self._names[name]: given_text_name(name) for name in NUMBERS})

    def _typed(self, frame: pl.DataFrame, usage: UsageRecords) -> pl.DataFrame:
        names = self._names
        named = {
            **{names[name]: given_name(name) for name in (*TEXTS, *NUMBERS)},
            **{given_text_name(name): given_text_name(name) for name in NUMBERS},
        }
        typed = (
            frame.lazy()
            .select(
                *(pl.col(name).alias(alias) for name, alias in named.items() if name in frame.columns),
                *typed_key(names),
            )
            .collect()
        )
        for key in (*KEY_TEXTS, ROW_NUMBER):
            if typed[key].has_nulls():
                position = typed[key].is_null().arg_true()[0]
                raise MalformedRecordError(
                    f"Line {usage.line_numbers[position]} of the input has no readable {names[key]}, so it belongs "
                    "to no month; for a tap with another name for it there is the setting columns."
                )
        return typed
