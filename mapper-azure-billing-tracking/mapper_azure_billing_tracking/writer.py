"""Writes Singer lines: frames as RECORD lines or as BATCH files, other messages one at a time."""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import polars as pl
from singer_sdk import singerlib as singer
from singer_sdk.singerlib.encoding import GenericSingerWriter

if TYPE_CHECKING:
    from pathlib import Path

    from mapper_azure_billing_tracking.staging import StagingTable


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
        lines: Columns ``type``, ``stream`` and ``record``, a struct.
    """

    lines: pl.DataFrame


class OutputError(Exception):
    """Standard output can't be written; the message says why."""


class BatchFileError(Exception):
    """A BATCH file can't be written; the message says where and why."""


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


def record_lines(stream: str, frame: pl.DataFrame) -> FrameLines:
    """The RECORD lines of a frame's rows, dates and times in ISO form.

    Args:
        stream: The stream of the rows.
        frame: The rows.
    """
    return FrameLines(
        frame.select(
            pl.lit("RECORD").alias("type"), pl.lit(stream).alias("stream"), pl.struct(pl.all()).alias("record")
        )
    )


def batch_file(
    table: type[StagingTable], frame: pl.DataFrame, file_format: Literal["jsonl", "arrow"], directory: Path
) -> BatchMessage:
    """Write a frame into a file of its own. Who reads an Arrow file deletes it.

    Args:
        table: The table that the rows are for.
        frame: The rows.
        file_format: JSON lines, or an Arrow IPC file.
        directory: The folder of the file.

    Returns:
        The message that names the file.

    Raises:
        BatchFileError: The file can't be written.
    """
    path = directory / f"{table.table}-{uuid.uuid4().hex}.{file_format}"
    part = path.with_suffix(".part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if file_format == "arrow":
            # A column of type JSON has no null in ClickHouse: {} is what it holds in its place.
            json_columns = [column.name for column in table.sent_columns() if column.clickhouse.type == "JSON"]
            frame = frame.with_columns(pl.col(json_columns).fill_null("{}"))
            frame.write_ipc(part, compat_level=pl.CompatLevel.oldest())
            encoding = {"format": "arrow"}
        else:
            frame.write_ndjson(part)
            encoding = {"format": "jsonl", "compression": "none"}
        part.rename(path)
    except OSError as error:
        raise BatchFileError(f"A batch of {frame.height} rows can't be written to {directory}: {error}.") from error
    return BatchMessage(stream=table.table, encoding=encoding, manifest=[path.as_uri()])
