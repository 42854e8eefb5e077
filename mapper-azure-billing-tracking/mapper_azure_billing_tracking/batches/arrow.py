"""Usage rows as Arrow IPC files, as the tap's BATCH messages name them, and the batches that are read from them.

A file has the columns of the records. Texts are texts; a number is a number, or text that may be one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
import polars as pl
from typing_extensions import override

from azure_billing_warehouse.errors import OperatorError
from mapper_azure_billing_tracking.batches.batch import UsageBatch
from mapper_azure_billing_tracking.batches.columns import (
    COLUMNS,
    FLOATS,
    KEY_TEXTS,
    NOT_READ,
    NUMBERS,
    ROW_NUMBER,
    TEXTS,
    UNREADABLE,
    given_name,
    given_text_name,
    typed_key,
)
from mapper_azure_billing_tracking.batches.json_values import original_text
from mapper_azure_billing_tracking.batches.unreadable import unreadable_values
from mapper_azure_billing_tracking.sdk import InvalidInputLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mapper_azure_billing_tracking.config import ProcessingConfig

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class BatchFileUnreadableError(OperatorError):
    """A BATCH file of usage rows can't be read; the message says which and why."""


@dataclass(frozen=True)
class ArrowBatch(UsageBatch):
    """Usage rows that came as columns.

    Attributes:
        columns: The columns as they came, the values that the tap found unreadable in their own columns.
        names: Our name of a column -> its name in them.
        unreadable: These values, by row and column.
    """

    columns: pl.DataFrame
    names: Mapping[str, str]
    unreadable: Mapping[int, Mapping[str, msgspec.Raw]]

    @override
    def original(self, row: int, column: str) -> str | None:
        name = self.names[column]
        value = self.columns[name][row] if name in self.columns.columns else None
        return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()

    @override
    def record(self, row: int) -> str:
        numbers = {*(self.names[name] for name in NUMBERS), *NOT_READ}
        record: dict[str, Any] = self.columns.row(row, named=True)
        for name in numbers & record.keys():
            if isinstance(record[name], str) and _NUMBER.fullmatch(record[name]):
                record[name] = msgspec.Raw(record[name].encode())  # a number in a record, digit for digit
        record |= self.unreadable.get(row, {})
        return msgspec.json.encode(record).decode()


class ArrowReader:
    """Reads files of usage rows into batches.

    Args:
        config: The mapper's settings: names of the input's columns.
    """

    def __init__(self, config: ProcessingConfig) -> None:
        self._names = {name: config.columns.get(name, name) for name in COLUMNS}

    def read(self, path: Path, place: str, most_rows: int | None) -> Iterator[ArrowBatch]:
        """Yield the rows of a file.

        Args:
            path: The file.
            place: Where it was named, as the start of a sentence.
            most_rows: Rows of a batch; None for all in one.

        Raises:
            BatchFileUnreadableError: It is not a whole Arrow IPC file, or its rows don't say which month they belong
                to, or their `unreadable` can't be read.
        """
        try:
            columns = pl.read_ipc(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise BatchFileUnreadableError(
                f"{place} names {path}, which is not a whole Arrow file: {' '.join(str(error).split())}."
            ) from error
        where = f"{place}, file {path},"
        for part in columns.iter_slices(most_rows or max(columns.height, 1)):
            restored, unreadable = self._restored(part, where)
            yield ArrowBatch(self._typed(restored, where), place, restored, self._names, unreadable)

    def _restored(self, columns: pl.DataFrame, place: str) -> tuple[pl.DataFrame, dict[int, dict[str, msgspec.Raw]]]:
        """Return the columns with the values that the tap found unreadable, and these values by row and column."""
        if UNREADABLE not in columns.schema:
            return columns, {}
        texts = columns[UNREADABLE].cast(pl.String)
        columns = columns.drop(UNREADABLE)
        nulls = {name: columns[name].is_null() for name in columns.columns} if texts.null_count() < len(texts) else {}
        found: dict[int, dict[str, msgspec.Raw]] = {}
        for row in texts.is_not_null().arg_true():
            try:
                values = unreadable_values(texts[row], self._names)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BatchFileUnreadableError(
                    f"{place} has a row whose {UNREADABLE} is no JSON object of columns and their values: {error}."
                ) from error
            found[row] = {name: value for name, value in values.items() if name not in nulls or nulls[name][row]}
        for name in {name for values in found.values() for name in values}:
            originals = {row: original_text(values[name]) for row, values in found.items() if name in values}
            column = columns[name].cast(pl.String) if name in nulls else pl.Series(name, [None] * len(texts), pl.String)
            columns = columns.with_columns(column.clone().scatter(list(originals), list(originals.values())))
        return columns, found

    def _typed(self, columns: pl.DataFrame, place: str) -> pl.DataFrame:
        names = self._names
        absent = [name for name in names.values() if name not in columns.schema]
        columns = columns.with_columns(pl.lit(None).alias(name) for name in absent)
        selected = [pl.col(names[name]).cast(pl.String).alias(given_name(name)) for name in TEXTS]
        for name in NUMBERS:
            wanted: pl.DataType = pl.Float64() if name in FLOATS else pl.Int64()
            if columns.schema[names[name]] in {wanted, pl.Null()}:
                selected.append(pl.col(names[name]).cast(wanted).alias(given_name(name)))
            else:
                selected.append(pl.col(names[name]).cast(pl.String).alias(given_text_name(name)))
        keys = (*KEY_TEXTS, ROW_NUMBER)
        typed = columns.with_columns(pl.col(names[key]).cast(pl.String) for key in KEY_TEXTS).select(
            *selected, *typed_key(names)
        )
        if unreadable := [names[key] for key in keys if typed[key].has_nulls()]:
            raise BatchFileUnreadableError(
                f"{place} has rows without a readable {unreadable[0]}, so they belong to no month; for a tap "
                "with another name for it there is the setting columns."
            )
        return typed


class _Encoding(msgspec.Struct):
    format: str


class _Batch(msgspec.Struct):
    encoding: _Encoding
    manifest: list[str]


_batch = msgspec.json.Decoder(_Batch)


def read_manifest(line: bytes, place: str) -> list[Path]:
    """Return the files that a BATCH line of usage rows names.

    Args:
        line: The line.
        place: Where it stood, as the start of a sentence.

    Raises:
        InvalidInputLine: It has no manifest, or another format than Arrow.
        BatchFileUnreadableError: A file is not on this machine.
    """
    try:
        batch = _batch.decode(line)
    except msgspec.DecodeError as error:
        raise InvalidInputLine(f"{place} can't be read as a BATCH: {error}.") from error
    if batch.encoding.format != "arrow":
        raise InvalidInputLine(
            f"{place} is a BATCH of format {batch.encoding.format}; the mapper reads RECORDs, and files of format "
            "arrow: change batch_config in the tap."
        )
    paths = []
    for url in batch.manifest:
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
            raise BatchFileUnreadableError(f"{place} names {url}, which is not a file on this machine (file:///...).")
        paths.append(Path(url2pathname(parts.path)))
    return paths
