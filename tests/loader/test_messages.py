"""Lines that can't be loaded end the loader with one sentence, and a signal with the exit code that says so."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from loader.conftest import Loader, arrow_file, batch, failure, schema

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.launch import ClickHouse

SQL = "a; DROP TABLE x"
ODD: dict[str, tuple[Any, str]] = {
    "a schema that is a number": ({**schema(), "schema": 5}, "a SCHEMA whose schema is not an object"),
    "a schema that is null": ({**schema(), "schema": None}, "a SCHEMA whose schema is not an object"),
    "properties that are a list": ({**schema(), "schema": {"properties": []}}, "whose properties are not an object"),
    "no properties": ({**schema(), "schema": {}}, "whose properties are not an object"),
    "a property that is a number": ({**schema(), "schema": {"properties": {"a": 5}}}, "not an object of objects"),
    "a key that is a number": ({**schema(), "key_properties": [5]}, "whose key_properties are not a list of texts"),
    "a stream of SQL": (schema(SQL), f"a SCHEMA of the stream '{SQL}', which is no name for a table"),
    "a stream that ends in a quote": (schema("bill'"), "which is no name for a table"),
    "a stream without a name": (schema(""), "which is no name for a table"),
    "a stream of a schema alone": (schema("bill-"), "which is no name for a table"),
    "a stream that is null": ({**schema(), "stream": None}, "a SCHEMA whose stream is not a text"),
    "a batch of a stream of SQL": (batch(stream=SQL), f"a BATCH of the stream '{SQL}', which is no name for a table"),
    "a batch of a stream not described": (batch(stream="other"), "a BATCH of the stream other before its SCHEMA"),
    "a manifest that is a number": ({**batch(), "manifest": 5}, "a BATCH whose manifest is not a list"),
    "a manifest of numbers": ({**batch(), "manifest": [5]}, "a BATCH whose manifest is not a list of texts"),
    "an encoding that is a text": ({**batch(), "encoding": "arrow"}, "a BATCH whose encoding is not an object"),
    "an unknown format": ({**batch(), "encoding": {"format": "xml"}}, "a BATCH whose format is 'xml'"),
    "a format that is a list": ({**batch(), "encoding": {"format": ["arrow"]}}, "a BATCH whose format is ['arrow']"),
    "more in an encoding": ({**batch(), "encoding": {"format": "arrow", "level": 1}}, "more than a format"),
    "a record that is a number": ({"type": "RECORD", "stream": "bill", "record": 5}, "a RECORD whose record is not an"),
    "a record not described": ({"type": "RECORD", "stream": "other", "record": {}}, "before its SCHEMA"),
    "a version without number": ({"type": "ACTIVATE_VERSION", "stream": "bill"}, "whose version is not a whole number"),
    "a state that is a number": ({"type": "STATE", "value": 5}, "a STATE whose value is not an object"),
    "a type that is null": ({"type": None}, "no Singer message: its type is None"),
    "an unknown type": ({"type": "SAMPLE"}, "no Singer message: its type is 'SAMPLE'"),
    "no type": ({}, "no Singer message"),
    "a list": ([], "no Singer message: it is no object"),
    "a number": (5, "no Singer message: it is no object"),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_line_that_cannot_be_loaded_is_one_sentence_with_its_number(loader: Loader, kind: str) -> None:
    line, fault = ODD[kind]
    sentence = failure(loader.run([schema(), line]))
    assert sentence.startswith("Line 2 of the input is ")
    assert fault in sentence


def test_a_line_that_was_cut_is_one_sentence_without_its_content(loader: Loader) -> None:
    process = loader.start()
    _, said = process.communicate('{"type":"RECORD","stream":"bill","record":{"text":"of-a-customer', timeout=60)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "Error: Line 1 of the input is no JSON: JSONDecodeError."
    assert "Traceback" not in said
    assert "of-a-customer" not in said


def test_whoever_goes_on_writing_to_a_failed_loader_meets_no_broken_pipe(loader: Loader) -> None:
    with loader.start() as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("5\n")
        process.stdin.writelines('{"type":"STATE","value":{}}\n' for _ in range(50_000))
        process.stdin.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert said.splitlines()[-1] == "Error: Line 1 of the input is no Singer message: it is no object."


def test_json_lines_that_are_not_there_are_one_sentence(loader: Loader) -> None:
    lines = {**batch("file:///nowhere/part.jsonl"), "encoding": {"format": "jsonl"}}
    assert "'file:///nowhere/part.jsonl' can't be loaded" in failure(loader.run([schema(), lines]))


@pytest.mark.parametrize("database", ["bill'", 'bill"', "bill`", "bill\\", "bill\n"])
def test_a_database_whose_name_no_program_can_write_is_one_sentence(loader: Loader, database: str) -> None:
    assert failure(loader.run([schema()], database=database)).startswith("Setting database: ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_mid_input_is_no_success_and_leaves_no_state(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path, number: int, code: int
) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    process = loader.start()
    assert process.stdin is not None
    assert process.stderr is not None
    messages = [schema(), batch(path), {"type": "STATE", "value": {"month": 8}}]
    process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
    process.stdin.flush()
    assert any("Loaded 3 rows" in line for line in process.stderr)
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in said
    assert clickhouse.query("SELECT count() AS n FROM bill") == [{"n": 3}]


def test_a_settings_file_of_meltano_s_is_closed_to_others(loader: Loader, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "target-clickhouse"
    folder.mkdir(parents=True)
    for name, mode in {"target.1.config.json": "0o600", "settings.json": "0o644"}.items():
        path = folder / name
        path.touch(0o644)
        path.chmod(0o644)
        process = loader.start(path=path)
        process.communicate("", timeout=60)
        assert process.returncode == 0
        assert oct(path.stat().st_mode & 0o777) == mode
