"""Runs of the mapper, in this process and as one of its own, and the lines that go into them; no rule is here."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from mapper.oracle_json import Json, JsonObject, Number, json_text
from mapper.traps import BILLING_MONTH, ENROLLMENT_NUMBER, PLAIN_RECORD, SNAPSHOT_AT

from mapper_azure_billing_tracking.mapper import MapperAzureBillingTracking

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS = ("enrollment_number", "dataset", "billing_month", "snapshot_at", "row_number")
COMMAND = Path(sys.executable).with_name("mapper-azure-billing-tracking")
DETAIL, AUDIT, ISSUE, MONTH = (
    "stg_azure_billing_detail",
    "dq_tagging_audit",
    "dq_billing_issue",
    "stg_azure_billing_month",
)
MONTH_RECORD: dict[str, Json] = {
    "enrollment_number": ENROLLMENT_NUMBER,
    "billing_month": BILLING_MONTH,
    "snapshot_at": SNAPSHOT_AT,
    "source": "ea",
    "page_count": Number("1"),
    "row_count": Number("1"),
    "extended_cost": Number("10"),
    "started_at": SNAPSHOT_AT,
    "completed_at": "2026-11-03T02:05:00+00:00",
}


def record_line(stream: str, record: Mapping[str, Json]) -> bytes:
    return f'{{"type":"RECORD","stream":"{stream}","record":{json_text(JsonObject(tuple(record.items())))}}}\n'.encode()


def usage_line(number: int = 1, /, **fields: Json) -> bytes:
    """A usage row that has no finding but for the fields given."""
    return record_line("usage_details", PLAIN_RECORD | {"row_number": Number(str(number))} | fields)


def written_line(*members: str, number: int = 1) -> bytes:
    """A usage row with members as they are written (`"name":value`), also repeated, in place of its own."""
    names = {member.split('"')[1] for member in members}
    kept = {
        name: value for name, value in (PLAIN_RECORD | {"row_number": Number(str(number))}).items() if name not in names
    }
    text = ",".join((json_text(JsonObject(tuple(kept.items())))[1:-1], *members))
    return f'{{"type":"RECORD","stream":"usage_details","record":{{{text}}}}}\n'.encode()


def month_line(row_count: int, **fields: Json) -> bytes:
    return record_line("billing_months", MONTH_RECORD | {"row_count": Number(str(row_count))} | fields)


def schema_line(stream: str) -> bytes:
    return (
        json.dumps({"type": "SCHEMA", "stream": stream, "schema": {"properties": {}}, "key_properties": []}).encode()
        + b"\n"
    )


def state_line(value: object) -> bytes:
    return json.dumps({"type": "STATE", "value": value}).encode() + b"\n"


USAGE_SCHEMA = schema_line("usage_details")
MONTH_SCHEMA = schema_line("billing_months")


class Output:
    """What a run wrote."""

    def __init__(self, written: bytes) -> None:
        """Keep whole lines; what a killed run left of its last line is no line."""
        self.lines = written[: written.rfind(b"\n") + 1].splitlines(keepends=True)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, numbers as JSON has them."""
        return [msgspec.json.decode(line) for line in self.lines]

    @property
    def kinds(self) -> list[str]:
        """What each message is: the type, and the stream where it has one."""
        return [f"{message['type']} {message.get('stream', '')}".strip() for message in self.messages]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream."""
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    def record_texts(self, stream: str) -> list[dict[str, msgspec.Raw]]:
        """The records of a stream, values as JSON text."""
        decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        return [
            decoder.decode(decoder.decode(line)["record"])
            for line, kind in zip(self.lines, self.kinds, strict=True)
            if kind == f"RECORD {stream}"
        ]

    def files(self, stream: str) -> list[Path]:
        """The files of a stream's BATCH messages, in order."""
        return [
            Path(address.removeprefix("file://"))
            for message in self.messages
            if message["type"] == "BATCH" and message["stream"] == stream
            for address in message["manifest"]
        ]


@dataclass(frozen=True)
class MapperRuns:
    """The mapper with a folder for its files and patterns from a CSV file in it."""

    folder: Path

    def settings(self, **changed: Any) -> dict[str, Any]:
        """The settings of a run; memory is no concern, as the process of a run may be that of all tests before it."""
        path = self.folder / "patterns.csv"
        if not path.exists():
            path.write_text("id,resource_tracking\n1,crm\n2,web\n3,web-1\n", encoding="utf-8")
        defaults: dict[str, Any] = {
            "patterns": {"source": "csv", "path": str(path)},
            "batch_directory": str(self.folder / "batches"),
            "memory_threshold_mb": 100_000,
        }
        return defaults | changed

    def run(self, lines: Iterable[bytes], **changed: Any) -> Output:
        """Run the mapper in this process, on lines without an end of input in between."""
        written = io.BytesIO()
        signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with contextlib.redirect_stdout(io.TextIOWrapper(written, write_through=True)) as stdout:
                mapper = MapperAzureBillingTracking(config=self.settings(**changed))
                mapper.listen(io.BytesIO(b"".join(lines)))  # type: ignore[arg-type]  # the SDK says text, ours reads bytes
                stdout.flush()
                return Output(written.getvalue())
        finally:
            for number, handler in signals.items():  # the SDK's constructor sets its own
                signal.signal(number, handler)

    def start(
        self,
        *,
        stdin: IO[bytes] | int = subprocess.PIPE,
        stdout: IO[bytes] | int = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
        umask: int = -1,
        config: Path | None = None,
        **changed: Any,
    ) -> subprocess.Popen[bytes]:
        """Start the mapper as a process; it reads lines from a pipe unless a file is given."""
        path = config or self.folder / "settings.json"
        path.write_text(json.dumps(self.settings(**changed)), encoding="utf-8")
        return subprocess.Popen(
            [COMMAND, "--config", path],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            umask=umask,
        )

    def finish(self, lines: Iterable[bytes], **changed: Any) -> Ended:
        """Run the mapper as a process to its end."""
        with self.start(**changed) as process:
            written, said = process.communicate(b"".join(lines), timeout=120)
        return Ended(process.returncode, Output(written), said.decode())


@dataclass(frozen=True)
class Ended:
    """A process that came to its end."""

    code: int
    output: Output
    said: str

    def sentence(self) -> str:
        """The one error sentence of a run that failed as it should, without a trace."""
        assert self.code == 1, self.said
        assert "Traceback" not in self.said
        errors = [line for line in self.said.splitlines() if "| ERROR " in line]
        assert len(errors) == 1, self.said
        assert self.said.splitlines()[-1] == errors[0]
        return errors[0].rsplit(" | ", 1)[-1]
