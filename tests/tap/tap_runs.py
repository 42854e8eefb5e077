"""Runs of the tap for the tests: in the process with a clock of the test's, or as the real program."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import SingerSDKError

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.launch import Api

ENROLLMENT = "88888888"
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
NO_CLOCKS_COMPARED = 1e9
PROGRAM = Path(sys.executable).with_name("tap-azure-ea-billing")

Message = dict[str, Any]


@dataclass
class Output:
    """What a run wrote.

    Attributes:
        messages: Singer messages in order, numbers with a fraction as `Decimal`.
        error: sentence that ended it, '' if it came to its end.
        log: lines of the real program's standard error.
    """

    messages: list[Message]
    error: str = ""
    log: str = ""
    exit_code: int = 0

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return a stream's records in order."""
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    def months(self, stream: str = "billing_months") -> list[str]:
        """Return the months of a stream's records, each once, in order."""
        return list(dict.fromkeys(record["billing_month"][:7] for record in self.records(stream)))

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE, empty if there is none."""
        states = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1] if states else {}

    def outline(self) -> list[str]:
        """Return the kinds of messages in order, repeated ones once."""
        kinds = [" ".join(filter(None, (m["type"], m.get("stream")))) for m in self.messages]
        return [kind for number, kind in enumerate(kinds) if number == 0 or kind != kinds[number - 1]]


@dataclass
class Clock:
    """A clock that the test sets."""

    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


def settings(api: Api, enrollment: str = ENROLLMENT, **other: Any) -> dict[str, Any]:
    """Return settings for the simulated API, with waits that do not hold up a test; None leaves a setting out.

    The API's clock is this machine's, the tap's is the test's: they are not compared.
    """
    plain = {
        "enrollment_number": enrollment,
        "api_key": api.key(enrollment),
        "api_url": api.url,
        "start_date": "2026-09",
        "max_backoff": 0.01,
        "max_retries": 2,
        "max_clock_skew": NO_CLOCKS_COMPARED,
        "request_timeout": 20,
    }
    return {name: value for name, value in (plain | other).items() if value is not None}


def run(
    config: Mapping[str, Any],
    *,
    now: datetime = NOW,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
) -> Output:
    """Run the tap in this process; an error of its own ends up in the output."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    error = ""
    with redirect_stdout(written):
        try:
            tap = TapAzureEABilling(
                config=dict(config),
                state=json.loads(json.dumps(state or {})),
                catalog=dict(catalog) if catalog else None,
                clock=Clock(now),
            )
            tap.sync_all()
        except (OperatorError, SingerSDKError) as raised:
            error = str(raised)
    written.seek(0)
    return Output([json.loads(line, parse_float=Decimal) for line in written], error, exit_code=int(bool(error)))


def program(
    config: Mapping[str, Any], folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Output:
    """Run the real program to its end."""
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [PROGRAM, "--config", path, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=dict(environment) if environment is not None else None,
        cwd=folder,
        timeout=120,
    )
    messages = (
        [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]
        if done.stdout.startswith('{"')
        else []
    )
    return Output(messages, log=done.stderr, exit_code=done.returncode)


def partition(output: Output, number: str = ENROLLMENT) -> dict[str, Any]:
    """Return what the state remembers of an enrollment."""
    partitions = output.state["bookmarks"]["billing_months"]["partitions"]
    (found,) = [each for each in partitions if each["context"]["enrollment_number"] == number]
    return dict(found)


def catalog(*selected: str, deselected_fields: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the tap's catalog with only these streams selected, and without some fields."""
    found = TapAzureEABilling(validate_config=False).catalog_dict
    for stream in found["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["stream"] in selected
            elif entry["breadcrumb"][1] in deselected_fields:
                entry["metadata"]["selected"] = False
    return found


def errors(output: Output) -> list[str]:
    """Return the error lines in the real program's log, without time and place."""
    return [line.split(" | ", 3)[3].strip() for line in output.log.splitlines() if "| ERROR " in line]
