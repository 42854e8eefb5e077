"""Reads Singer lines: usage records in groups, as bytes, everything else one message at a time."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec
from typing_extensions import override

from mapper_azure_billing_tracking.batches.records import RecordsReader, UsageRecords
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.sdk import MESSAGE_TYPES, InvalidInputLine, LineReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mapper_azure_billing_tracking.batches.batch import UsageBatch

USAGE = "usage"
"""Key of a batch of usage rows (UsageBatch) in the message that represents its RECORDs."""
LINE, LINE_NUMBER = "line", "line_number"
"""Keys of the original line and its number in every other message: a float read and written back loses digits."""

_LINE_END = b"}}\n"
_TIME_EXTRACTED = b',"time_extracted":"'
_QUOTE_END = b'"}\n'
_MB = 2**20


class _Line(msgspec.Struct):
    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw(b"")
    schema: msgspec.Raw = msgspec.Raw(b"")
    value: msgspec.Raw = msgspec.Raw(b"")

    def fault(self) -> str | None:
        """Return why it isn't a valid message of its type, after "line N of the input, a SCHEMA,"."""
        if (key := self._lacks()) is not None:
            return f"has no {key}"
        if self.type == "SCHEMA":
            try:
                _schema.decode(self.schema)
            except (msgspec.DecodeError, RecursionError) as error:
                return f"has a schema that can't be read: {error}"
        return None

    def _lacks(self) -> str | None:
        """Return a key that a message of this type must have and this one lacks."""
        needed = {"RECORD": ("stream", "record"), "SCHEMA": ("stream", "schema"), "STATE": ("value",)}
        for key in needed.get(self.type, ("stream",)):
            if not getattr(self, key):
                return key
        return None


class _Schema(msgspec.Struct):
    properties: dict[str, msgspec.Raw] = {}


class _SchemaLine(msgspec.Struct):
    schema: _Schema


_schema = msgspec.json.Decoder(_Schema)
_schema_line = msgspec.json.Decoder(_SchemaLine)


def read_properties(line: bytes) -> set[str]:
    """Return the names of the columns that a SCHEMA line describes.

    Args:
        line: A line that has passed the reader.
    """
    return set(_schema_line.decode(line).schema.properties)


class UsageReader(LineReader):
    """A Singer reader that turns consecutive usage records into one RECORD message with a batch.

    Args:
        config: The mapper's settings: names of the streams and of the usage stream's columns, limits in bytes.
        batch_size_rows: Returns how many rows a group may have at the moment.
    """

    def __init__(self, config: ProcessingConfig | None = None, batch_size_rows: Callable[[], int] = lambda: 1) -> None:
        super().__init__()
        config = config or ProcessingConfig()
        self._batch_size_bytes = int(config.batch_size_mb * _MB)
        self._max_line_mb = config.max_line_mb
        self._stream = config.stream
        self._closing_streams = {config.month_stream}
        self._read = RecordsReader(config).read
        self._batch_size_rows = batch_size_rows
        self._decoder = msgspec.json.Decoder(_Line)
        # What msgspec writes; lines written any other way are decoded.
        self._prefix = msgspec.json.encode({"type": "RECORD", "stream": config.stream, "record": None})[
            : -len(b"null}")
        ]

    @override
    def read_lines(self, file_input: IO[bytes], callbacks: dict[str, Callable[[dict[str, Any]], None]]) -> Counter[str]:
        """Read all lines.

        Args:
            file_input: The lines.
            callbacks: Type of a message -> what is called with it. A group of usage records is a RECORD message with
                the key `usage`; all others have the line and its number.

        Returns:
            How many messages of each type there were.

        Raises:
            InvalidInputLine: A line isn't a Singer message; the error says which.
        """
        counts: Counter[str] = Counter()
        groups = _Groups(self._stream, self._read, callbacks["RECORD"], self._batch_size_rows, self._batch_size_bytes)
        with groups:
            for line_number, line in enumerate(self._lines(file_input), 1):
                record = self._plain_record(line)
                if record is None and line.strip():
                    message = self._classify(line, line_number)
                    if message.type == "RECORD" and message.stream == self._stream:
                        record = bytes(message.record)
                    else:
                        if message.type != "RECORD" or message.stream in self._closing_streams:
                            groups.finish()
                        groups.wait()
                        passed = {"type": message.type, "stream": message.stream, LINE: line, LINE_NUMBER: line_number}
                        callbacks[message.type](passed)
                        counts[message.type] += 1
                if record is not None:
                    groups.add(record, line_number)
                    counts["RECORD"] += 1
            groups.finish()
        return counts

    def _lines(self, file_input: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines, never holding one in memory that is longer than allowed."""
        most = int(self._max_line_mb * _MB)
        for line_number, line in enumerate(iter(partial(file_input.readline, most + 1), b""), 1):
            if len(line) > most:
                raise InvalidInputLine(
                    f"Line {line_number} of the input is longer than {self._max_line_mb:g} MB: look at what the tap "
                    "writes there; if such a line is right, raise the setting max_line_mb."
                )
            yield line

    def _plain_record(self, line: bytes) -> bytes | None:
        """Return the record of a usage line that is written as msgspec writes it, else None."""
        if line.startswith(self._prefix):
            if line.endswith(_LINE_END):
                return line[len(self._prefix) : -2]
            if line.endswith(_QUOTE_END) and (end := line.rfind(_TIME_EXTRACTED)) > 0:
                record = line[len(self._prefix) : end]
                return record if record.endswith(b"}") else None
        return None

    def _classify(self, line: bytes, line_number: int) -> _Line:
        try:
            message = self._decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidInputLine(f"Line {line_number} of the input is no Singer message: {error}.") from error
        if message.type not in MESSAGE_TYPES:
            raise InvalidInputLine(f"Line {line_number} of the input has the unknown type {message.type}.")
        if (fault := message.fault()) is not None:
            raise InvalidInputLine(f"Line {line_number} of the input, a {message.type}, {fault}.")
        return message


class _Groups:
    """Gathers usage records; meanwhile one thread reads a group into frames, another handles the group before it.

    An error in a group is raised by one of the next calls, at the latest by `finish`; no later group is handled.
    As a context manager it waits for the threads.
    """

    def __init__(
        self,
        stream: str,
        read: Callable[[UsageRecords], UsageBatch],
        handle: Callable[[dict[str, Any]], None],
        batch_size_rows: Callable[[], int],
        batch_size_bytes: int,
    ) -> None:
        self._stream = stream
        self._read = read
        self._handle = handle
        self._batch_size_rows = batch_size_rows
        self._batch_size_bytes = batch_size_bytes
        self._size = batch_size_rows()
        self._bytes = 0
        self._records: list[bytes] = []
        self._line_numbers: list[int] = []
        self._being_read: Future[UsageBatch] | None = None
        self._being_handled: Future[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._executor.shutdown()

    def add(self, record: bytes, line_number: int) -> None:
        """Add a record; submit a group before it exceeds its size in bytes, unless it is a single record."""
        if self._bytes + len(record) > self._batch_size_bytes:
            self._hand_on()
        self._records.append(record)
        self._line_numbers.append(line_number)
        self._bytes += len(record)
        if len(self._records) >= self._size:
            self._hand_on()

    def finish(self) -> None:
        """Submit the gathered records, and wait until everything is handled."""
        self._hand_on()
        self._advance()
        self._advance()

    def _hand_on(self) -> None:
        self.wait()
        if self._records:
            # Nothing is being handled now, so memory can be measured and freed.
            self._size = self._batch_size_rows()
        self._advance()
        if self._records:
            group = UsageRecords(self._records, self._line_numbers)
            self._records, self._line_numbers, self._bytes = [], [], 0
            self._being_read = self._executor.submit(self._read, group)

    def wait(self) -> None:
        """Wait until nothing is being handled."""
        if self._being_handled is not None:
            handled, self._being_handled = self._being_handled, None
            handled.result()

    def _advance(self) -> None:
        """Wait for the group being handled, then start handling the one that was read."""
        self.wait()
        if self._being_read is not None:
            read, self._being_read = self._being_read, None
            message = {"type": "RECORD", "stream": self._stream, USAGE: read.result()}
            self._being_handled = self._executor.submit(self._handle, message)
