"""What the mapper relies on in singer-sdk beyond its documentation: a release that changes it fails here."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, ClassVar

import pytest
from click.testing import CliRunner
from mapper.runs import USAGE_SCHEMA, state_line, usage_line
from singer_sdk import InlineMapper
from singer_sdk import singerlib as singer
from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

from mapper_azure_billing_tracking.sdk import MESSAGE_TYPES, BatchMessage, LineMapper, LineReader, Lines, LineWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ACTIVATE_VERSION = b'{"type":"ACTIVATE_VERSION","stream":"usage_details","version":1}\n'
BATCH = json.dumps({"type": "BATCH", "stream": "s", "encoding": {"format": "arrow"}, "manifest": ["file:///a"]})
LINES = [USAGE_SCHEMA, ACTIVATE_VERSION, usage_line(1), usage_line(2), BATCH.encode() + b"\n", state_line({"a": 1})]


class Pairs(LineReader):
    """Two lines at a time, as the messages of the first one's type."""

    @override
    def read_lines(self, file_input: IO[bytes], callbacks: dict[str, Callable[[dict[str, Any]], None]]) -> Counter[str]:
        assert callbacks.keys() == MESSAGE_TYPES
        lines = list(file_input)
        counts: Counter[str] = Counter()
        for number in range(0, len(lines), 2):
            kind = self.deserialize_json(lines[number])["type"]
            callbacks[kind]({"type": kind, "lines": b"".join(lines[number : number + 2])})
            counts[kind] += 2
        return counts


class Writer(LineWriter):
    """Writes into memory."""

    written: ClassVar[list[bytes]] = []

    @override
    def write_message(self, message: singer.Message) -> None:
        self.written.append(message.lines if isinstance(message, Lines) else self.format_message(message))


class Pass(LineMapper):
    """Passes everything, and says at the end that it is the end."""

    name = "mapper-pass"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {"size": {"type": "integer"}}, "required": ["size"]}
    message_reader_class = Pairs
    message_writer_class = Writer
    asked: ClassVar[list[str]] = []

    def _passed(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        self.asked.append(message_dict["type"])
        return [Lines(message_dict["lines"])]

    map_schema_message = map_record_message = map_state_message = _passed
    map_activate_version_message = map_batch_message = _passed

    @override
    def end_of_input(self) -> None:
        self.asked.append("end")


@pytest.fixture(autouse=True)
def _forget() -> None:
    Writer.written.clear()
    Pass.asked.clear()


def test_what_the_reader_takes_for_a_message_reaches_the_mapper_and_lines_are_written_as_they_came() -> None:
    Pass(config={"size": 1}).listen(io.BytesIO(b"".join(LINES)))  # type: ignore[arg-type]
    assert Pass.asked == ["SCHEMA", "RECORD", "BATCH", "end"]
    assert b"".join(Writer.written) == b"".join(LINES)


@pytest.mark.parametrize("kind", sorted(MESSAGE_TYPES))
def test_each_type_of_message_has_a_callback_that_leads_to_the_mapper(kind: str) -> None:
    Pass(config={"size": 1}).listen(io.BytesIO(json.dumps({"type": kind}).encode()))  # type: ignore[arg-type]
    assert Pass.asked == [kind, "end"]


def test_the_command_gives_the_reader_the_bytes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_bytes(b"".join(LINES))
    (tmp_path / "config.json").write_text("{}")
    arguments = ["--config", str(tmp_path / "config.json"), "--input", str(tmp_path / "lines.jsonl")]
    result = CliRunner().invoke(Pass.cli, arguments, catch_exceptions=False)
    assert (result.exit_code, b"".join(Writer.written)) == (0, b"".join(LINES))


def test_singer_sdk_validates_settings_unless_it_is_told_not_to() -> None:
    """If it stopped doing so, the option would be for nothing."""
    Pass(config={"size": "8"}, validate_config=True)
    plain = type("Plain", (Pass,), {"__init__": InlineMapper.__init__})
    with pytest.raises(ConfigValidationError):
        plain(config={"size": "x"})


def test_a_message_is_written_as_singer_sdk_writes_it() -> None:
    schema = singer.SchemaMessage("s", {"properties": {}}, ["a"])
    assert (
        LineWriter.serialize_message(Writer(), schema)
        == json.dumps(schema.to_dict(), separators=(",", ":")).encode() + b"\n"
    )


def test_a_batch_message_has_its_type_and_what_a_target_needs() -> None:
    message = BatchMessage("s", {"format": "arrow"}, ["file:///a"])
    assert json.loads(Writer().format_message(message)) == json.loads(BATCH)
