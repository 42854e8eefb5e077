"""Writes Singer lines: frames as RECORD lines, other messages one at a time; BATCH files are in `batch_files`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import polars as pl
from typing_extensions import override

from azure_billing_warehouse.errors import OperatorError
from mapper_azure_billing_tracking.sdk import FrameLines, Lines, LineWriter

if TYPE_CHECKING:
    import singer_sdk.singerlib as singer

    from azure_billing_warehouse.tables import BillTable


class OutputError(OperatorError):
    """Standard output can't be written; the message says why."""


class FrameWriter(LineWriter):
    """Writes messages to standard output, which is flushed after every message but RECORDs."""

    @override
    def serialize_message(self, message: singer.Message) -> bytes:
        if isinstance(message, Lines):
            return message.lines
        if isinstance(message, FrameLines):
            return message.lines.write_ndjson().encode()
        return super().serialize_message(message)

    @override
    def write_message(self, message: singer.Message) -> None:
        if isinstance(message, FrameLines):
            # Polars writes to the pipe directly: through Python's buffer it would compete for the interpreter
            # with the thread that reads, at 40,000 rows/s instead of 57,000.
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
    """Return the RECORD lines of a frame's rows, dates and times in ISO form, instants of the key in whole seconds.

    target-clickhouse drops a RECORD's fractions of a second. Here all streams lose them in the same way, whatever
    the target, so that a snapshot's rows match its month row.

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
