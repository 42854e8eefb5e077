"""Writes Singer lines: frames as RECORD lines, other messages one at a time; BATCH files are in `batch_files`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import polars as pl
from singer_sdk import singerlib as singer
from singer_sdk.singerlib.encoding import GenericSingerWriter

from azure_billing_warehouse.errors import OperatorError

if TYPE_CHECKING:
    from azure_billing_warehouse.tables import BillTable


@dataclass(slots=True)
class Lines(singer.Message):
    """Singer lines that are written as they are.

    Attributes:
        lines: The lines, each with its end.
        flush: Whether the reader must have them at once.
    """

    lines: bytes
    flush: bool = False


@dataclass(slots=True)
class FrameLines(singer.Message):
    """The RECORD lines of a frame's rows.

    Attributes:
        lines: Columns `type`, `stream` and `record`, a struct.
    """

    lines: pl.DataFrame


class OutputError(OperatorError):
    """Standard output can't be written; the message says why."""


@dataclass(slots=True)
class BatchMessage(singer.Message):
    """A BATCH message: rows that lie in files.

    Attributes:
        stream: The stream of the rows.
        encoding: Format of the files.
        manifest: Their addresses.
    """

    stream: str
    encoding: dict[str, str]
    manifest: list[str]

    def __post_init__(self) -> None:
        """Set the type of the message."""
        self.type = singer.SingerMessageType.BATCH


class FrameWriter(GenericSingerWriter[bytes, singer.Message]):
    """Writes messages to standard output, which is flushed after every message but RECORDs."""

    def serialize_message(self, message: singer.Message) -> bytes:
        """The line of a message, or the lines that it holds."""
        if isinstance(message, Lines):
            return message.lines
        if isinstance(message, FrameLines):
            return message.lines.write_ndjson().encode()
        return msgspec.json.encode(message.to_dict()) + b"\n"

    def write_message(self, message: singer.Message) -> None:
        """Write a message."""
        if isinstance(message, FrameLines):
            # Polars writes into the pipe by itself: through a buffer of Python's it would take turns for the
            # interpreter with the thread that reads, at 40,000 rows/s in place of 57,000.
            sys.stdout.buffer.flush()
            try:
                message.lines.write_ndjson(sys.stdout.buffer)
            except (OSError, pl.exceptions.PolarsError) as error:
                raise OutputError(
                    f"The mapper's output can't be written, see the log of its reader: {error}."
                ) from error
            return
        sys.stdout.buffer.write(self.serialize_message(message))
        if not isinstance(message, Lines) or message.flush:
            sys.stdout.buffer.flush()


def record_lines(table: type[BillTable], frame: pl.DataFrame) -> FrameLines:
    """The RECORD lines of a frame's rows, dates and times in ISO form, instants of the key in whole seconds.

    Of a RECORD target-clickhouse drops the fraction of a second. Here all streams lose it in one way, whatever target
    reads them, so that the rows of a snapshot meet those of its month.

    Args:
        table: The table that the rows are for.
        frame: The rows.
    """
    instants = [name for name in table.order_by if isinstance(frame.schema[name], pl.Datetime)]
    return FrameLines(
        frame.with_columns(pl.col(instants).dt.truncate("1s")).select(
            pl.lit("RECORD").alias("type"), pl.lit(table.table).alias("stream"), pl.struct(pl.all()).alias("record")
        )
    )
