"""The real program as a pipeline meets it: exit codes, one sentence on standard error, a kill within a month."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tap.tap_runs import ENROLLMENT, PROGRAM, Output, errors, partition, program, settings

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.launch import Api


def bare_environment(**variables: str) -> dict[str, str]:
    """Return an environment without settings and without a way to the network."""
    nowhere = "http://127.0.0.1:1"
    return {
        "PATH": os.environ["PATH"],
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "ALL_PROXY": nowhere,
        **variables,
    }


def test_discovery_and_about_need_neither_network_nor_settings(tmp_path: Path) -> None:
    texts = []
    for arguments in (["--discover"], ["--about", "--format=json"], ["--about"], ["--version"]):
        done = subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path, env=bare_environment()
        )
        texts.append(done.stdout)
    streams = {stream["tap_stream_id"]: stream for stream in json.loads(texts[0])["streams"]}
    assert list(streams) == ["billing_months", "usage_details"]
    assert streams["usage_details"]["key_properties"] == [
        *("enrollment_number", "dataset", "billing_month", "snapshot_at", "row_number")
    ]
    assert {stream["replication_key"] for stream in streams.values()} == {"billing_month"}
    columns = streams["usage_details"]["schema"]["properties"]
    assert len(columns) == 31 + 35
    for column in (*columns.values(), *streams["billing_months"]["schema"]["properties"].values()):
        assert {"type", "title", "description"} <= column.keys()
    assert columns["date"]["format"] == columns["billing_month"]["format"] == "date"
    assert columns["snapshot_at"]["format"] == "date-time"
    assert columns["extended_cost"]["type"] == ["number", "null"]
    assert columns["subscription_id"]["type"] == ["integer", "null"]
    assert columns["tags"]["type"] == ["string", "null"]
    assert json.loads(texts[1])["settings"]["properties"]["api_key"]["secret"] is True


def test_a_run_with_settings_from_the_environment(api: Api, tmp_path: Path) -> None:
    variables = {f"TAP_AZURE_EA_BILLING_{name.upper()}": str(value) for name, value in settings(api).items()}
    variables["TAP_AZURE_EA_BILLING_END_DATE"] = ""
    done = subprocess.run(
        [PROGRAM, "--config=ENV"], capture_output=True, check=True, cwd=tmp_path, env=os.environ | variables
    )
    assert done.stdout.count(b'{"type":"RECORD","stream":"usage_details","record":{') == 360
    assert done.stdout.count(b'"stream":"billing_months","record":{') == 3


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"start_date": ""}, "Setting `start_date` is missing: set it (environment variable"),
        (
            {"api_key": "wrong"},
            f"Enrollment {ENROLLMENT}, month 2026-09, page 1: the API refused the key with status 401",
        ),
        (
            {"api_url": "http://127.0.0.1:1/rest"},
            f"Gave up after 3 attempts: Enrollment {ENROLLMENT}, month 2026-09, page 1",
        ),
    ],
)
def test_a_run_that_fails_ends_with_1_and_one_sentence(
    api: Api, tmp_path: Path, other: dict[str, Any], sentence: str
) -> None:
    output = program(settings(api, **other), tmp_path)
    assert output.exit_code == 1
    (error,) = errors(output)
    assert error.startswith(sentence)
    assert "Traceback" not in output.log
    assert not any(message["type"] == "STATE" for message in output.messages)


def test_a_killed_run_goes_on_with_the_month_in_which_it_was_killed(api: Api, tmp_path: Path) -> None:
    """The third month's second page does not come; the run is killed while it waits."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings(api, start_date="2026-08", request_timeout=120)))
    api.set_faults(["timeout=120@8"])
    lines: list[dict[str, Any]] = []
    with subprocess.Popen([PROGRAM, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            record = lines[-1].get("record", {})
            if (record.get("billing_month"), record.get("row_number")) == ("2026-10-01", 50):
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    state = next(line["value"] for line in reversed(lines) if line["type"] == "STATE")
    (tmp_path / "state.json").write_text(json.dumps(state))
    api.set_faults([])
    api.clear_requests()
    resumed = program(settings(api, start_date="2026-08"), tmp_path, "--state", str(tmp_path / "state.json"))
    assert resumed.exit_code == 0
    assert list(dict.fromkeys(request["month"] for request in api.requests())) == ["2026-10", "2026-11"]
    month_rows = [line["record"] for line in lines if line.get("stream") == "billing_months" and "record" in line]
    done = [row["billing_month"] for row in month_rows]
    assert done == ["2026-08-01", "2026-09-01"]
    assert resumed.months() == ["2026-10", "2026-11"]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_signal_in_a_month_is_no_success(
    api: Api, tmp_path: Path, signum: signal.Signals, code: int, ahead: int
) -> None:
    """The second month's second page does not come; the signal comes while the run waits for it."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings(api, request_timeout=120, prefetch_pages=ahead)))
    api.set_faults(["timeout=120@5"])
    lines: list[dict[str, Any]] = []
    with subprocess.Popen([PROGRAM, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            record = lines[-1].get("record", {})
            if (record.get("billing_month"), record.get("row_number")) == ("2026-10-01", 50):
                process.send_signal(signum)
        log = process.stderr.read().decode()
    assert process.returncode == code
    output = Output(lines, log=log)
    (error,) = errors(output)
    assert error == (
        f"{signum.name} ended the run while enrollment {ENROLLMENT}, month 2026-10 was being read, which is not "
        "complete: run again, it goes on from its state."
    )
    assert "Traceback" not in log
    assert output.months() == ["2026-09"]
    assert partition(output)["replication_key_value"] == "2026-09-01"
    assert sum(line["type"] == "STATE" for line in lines) == 1


def test_a_test_run_piped_into_the_mapper_is_no_complete_month(api: Api, tmp_path: Path) -> None:
    """What somebody does first with a new key; the mapper stages the rows, and says that the month is not complete."""
    tap_config, mapper_config, patterns = (tmp_path / name for name in ("tap.json", "mapper.json", "patterns.csv"))
    tap_config.write_text(json.dumps(settings(api)))
    mapper_config.write_text(json.dumps({"patterns": {"source": "csv", "path": str(patterns)}}))
    patterns.write_text("id,resource_tracking\n1,crm\n")
    with subprocess.Popen(
        [PROGRAM, "--config", tap_config, "--test=records"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as tap:
        mapper = PROGRAM.with_name("mapper-azure-billing-tracking")
        done = subprocess.run(
            [mapper, "--config", mapper_config], stdin=tap.stdout, capture_output=True, text=True, check=False
        )
    assert (tap.returncode, done.returncode) == (0, 0), done.stderr
    records = [message for message in map(json.loads, done.stdout.splitlines()) if message["type"] == "RECORD"]
    assert {"stg_azure_billing_detail", "dq_billing_issue"} >= {message["stream"] for message in records} > set()
    assert f"Enrollment {ENROLLMENT}, month 2026-09: the tap did not read the month to its end" in done.stderr


def test_a_reader_that_ends_early_is_one_sentence(api: Api, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings(api)))
    with subprocess.Popen([PROGRAM, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        log = process.stderr.read().decode()
    assert process.returncode == 1
    assert "The program that reads this tap's output has ended" in log
    assert "Traceback" not in log
