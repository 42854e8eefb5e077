"""Reads Singer lines: usage records in groups, as bytes, everything else one message at a time."""

from __future__ import annotations

import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding import GenericSingerReader
from singer_sdk.singerlib.exceptions import InvalidInputLine

from mapper_azure_billing_tracking.records import UsageRecords

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = "usage"
"""Key of the group of usage records in the message that stands for it."""
LINE = "line"
"""Key of the line as it came, in every other message."""

_LINE_END = b"}}\n"
_TIME_EXTRACTED = b',"time_extracted":"'
_QUOTE_END = b'"}\n'


class _Line(msgspec.Struct):
    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw(b"null")


class UsageReader(GenericSingerReader[bytes]):
    """A Singer reader that hands on consecutive usage records as one RECORD message with their bytes.

    Args:
        stream: The stream of the usage rows.
        closing_streams: Streams of which a record closes the group: what was read before it is handed on before it.
        batch_size_rows: How many rows a group may have at the moment.
    """

    def __init__(
        self,
        stream: str = "",
        closing_streams: frozenset[str] = frozenset(),
        batch_size_rows: Callable[[], int] = lambda: 1,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._closing_streams = closing_streams
        self._batch_size_rows = batch_size_rows
        self._decoder = msgspec.json.Decoder(_Line)
        # What msgspec writes; lines of any other spelling are decoded.
        self._prefix = msgspec.json.encode({"type": "RECORD", "stream": stream, "record": None})[: -len(b"null}")]

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Decode a line; it is also kept as it came, since a float doesn't keep its digits.

        Args:
            line: A line of the input.
        """
        message: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        return {**message, LINE: line}

    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Read all lines.

        Args:
            file_input: The lines; standard input by default.
            callbacks: What is called with the messages of each type. A group of usage records is a RECORD message with
                the key ``usage`` (UsageRecords) in place of ``record``.

        Returns:
            How many messages of each type there were.

        Raises:
            InvalidInputLine: A line is no Singer message; the error says which.
        """
        counts: Counter[str] = Counter()
        records: list[bytes] = []
        line_numbers: list[int] = []
        batch_size = self._batch_size_rows()

        def hand_on() -> None:
            nonlocal records, line_numbers, batch_size
            if records:
                group = UsageRecords(records, line_numbers)
                records, line_numbers = [], []
                callbacks["RECORD"]({"type": "RECORD", "stream": self._stream, USAGE: group})
                counts["RECORD"] += len(group.records)
                batch_size = self._batch_size_rows()

        for line_number, line in enumerate(file_input or self.default_input, 1):
            record = self._plain_record(line)
            if record is None and line.strip():
                message = self._classify(line, line_number)
                if message.type == "RECORD" and message.stream == self._stream:
                    record = bytes(message.record)
                else:
                    if message.type != "RECORD" or message.stream in self._closing_streams:
                        hand_on()
                    if (callback := callbacks.get(message.type)) is None:
                        raise InvalidInputLine(f"Line {line_number} of the input has the unknown type {message.type}.")
                    callback(self.deserialize_json(line))
                    counts[message.type] += 1
            if record is not None:
                records.append(record)
                line_numbers.append(line_number)
                if len(records) >= batch_size:
                    hand_on()
        hand_on()
        return counts

    def _plain_record(self, line: bytes) -> bytes | None:
        """The record of a usage line that is spelled as msgspec spells it."""
        if line.startswith(self._prefix):
            if line.endswith(_LINE_END):
                return line[len(self._prefix) : -2]
            if line.endswith(_QUOTE_END) and (end := line.rfind(_TIME_EXTRACTED)) > 0:
                return line[len(self._prefix) : end]
        return None

    def _classify(self, line: bytes, line_number: int) -> _Line:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidInputLine(f"Line {line_number} of the input is no Singer message: {error}.") from error
