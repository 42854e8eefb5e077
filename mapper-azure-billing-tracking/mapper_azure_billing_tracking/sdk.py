"""What the mapper relies on in singer-sdk beyond the interface that its documentation describes; nothing else does.

`tests/mapper/test_sdk.py` fails when a release of singer-sdk changes any of it. Lines are read and written as
bytes, many at a time, since singer-sdk's handling of each record costs more than all the rules.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk import InlineMapper
from singer_sdk import singerlib as singer
from singer_sdk.singerlib.encoding import GenericSingerReader, GenericSingerWriter, SingerMessageType
from singer_sdk.singerlib.exceptions import InvalidInputLine
from singer_sdk.singerlib.schema import resolve_schema_references
from typing_extensions import override

if TYPE_CHECKING:
    import logging
    from collections import Counter
    from collections.abc import Callable

    import polars as pl

__all__ = [
    "MESSAGE_TYPES",
    "BatchMessage",
    "FrameLines",
    "InvalidInputLine",
    "LineMapper",
    "LineReader",
    "LineWriter",
    "Lines",
    "resolve_schema_references",
]

MESSAGE_TYPES = frozenset(SingerMessageType)
"""The types of Singer messages, each of which has a callback."""


_REMARKS = ("Skipping parse of env var settings", "Config validation failed", "Reader '%s' completed processing")
"""How remarks of singer-sdk begin that would stand between the sentence of an error and the end of the log."""


class LineMapper(InlineMapper):
    """A mapper that reads bytes and validates its own settings, including those from environment variables."""

    @override
    def __init__(self, **options: Any) -> None:
        self.logger.addFilter(_is_no_remark)
        super().__init__(**{**options, "validate_config": False})

    @classmethod
    @override
    def invoke(cls, *, file_input: IO[str] | None = None, **options: Any) -> None:
        super().invoke(file_input=getattr(file_input, "buffer", None), **options)

    @override
    def process_endofpipe(self) -> None:
        self.end_of_input()
        super().process_endofpipe()

    @abstractmethod
    def end_of_input(self) -> None:
        """Finish, once all lines are read and what became of them is written."""


def _is_no_remark(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_REMARKS)


class LineReader(GenericSingerReader[bytes]):
    """A reader of bytes that decides by itself which lines are one message."""

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        message: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        return message

    @override
    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        return self.read_lines(file_input or self.default_input, callbacks)

    @abstractmethod
    def read_lines(self, file_input: IO[bytes], callbacks: dict[str, Callable[[dict[str, Any]], None]]) -> Counter[str]:
        """Read all lines; call the callback for each message's type, from any thread but one at a time.

        Args:
            file_input: The lines.
            callbacks: Type of a message -> its callback. The mapper's `map_..._message` get what is passed here.

        Returns:
            How many messages of each type there were.

        Raises:
            InvalidInputLine: A line isn't a Singer message; the error says which.
        """


class LineWriter(GenericSingerWriter[bytes, singer.Message]):
    """A writer of bytes."""

    @override
    def serialize_message(self, message: singer.Message) -> bytes:
        return msgspec.json.encode(message.to_dict()) + b"\n"


@dataclass(slots=True)
class Lines(singer.Message):
    """Singer lines that are written unchanged.

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


@dataclass(slots=True)
class BatchMessage(singer.Message):
    """A BATCH message: rows in files.

    Attributes:
        stream: The stream of the rows.
        encoding: Format of the files.
        manifest: Their URLs.
    """

    stream: str
    encoding: dict[str, str]
    manifest: list[str]

    def __post_init__(self) -> None:
        """Set the type of the message."""
        self.type = SingerMessageType.BATCH
