"""How the mapper reads lines: which it groups, in which order it hands on, and which it refuses with a sentence."""

from __future__ import annotations

import io
import itertools
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from mapper.oracle_json import Number
from mapper.runs import (
    DETAIL,
    ISSUE,
    MONTH,
    MONTH_SCHEMA,
    USAGE_SCHEMA,
    month_line,
    record_line,
    schema_line,
    state_line,
    usage_line,
)
from mapper.traps import PLAIN_RECORD
from singer_sdk.singerlib.exceptions import InvalidInputLine

from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.mapper import MapperAzureBillingTracking
from mapper_azure_billing_tracking.singer.reader import USAGE, UsageReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper.runs import MapperRuns

DETAIL_RECORD, DETAIL_SCHEMA = f"RECORD {DETAIL}", f"SCHEMA {DETAIL}"


def groups(lines: Sequence[bytes], batch_size_rows: int = 1000) -> list[str]:
    """What the reader hands on: the line numbers of a group of usage rows, the type of any other message."""
    handed: list[str] = []

    def take(message: dict[str, Any]) -> None:
        usage = message.get(USAGE)
        handed.append(message["type"] if usage is None else " ".join(map(str, usage.line_numbers)))

    types = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")
    reader = UsageReader(ProcessingConfig(), lambda: batch_size_rows)
    reader.process_lines(io.BytesIO(b"".join(lines)), dict.fromkeys(types, take))
    return handed


OTHER_SCHEMA = schema_line("prices")
OTHER_RECORD = record_line("prices", {"a": Number("1")})


def test_consecutive_usage_records_are_one_group_up_to_the_batch_size() -> None:
    lines = [USAGE_SCHEMA, *(usage_line(number) for number in range(1, 8))]
    assert groups(lines, 3) == ["SCHEMA", "2 3 4", "5 6 7", "8"]


def test_a_group_closes_before_it_has_more_bytes_than_it_may() -> None:
    plain = len(usage_line(1))
    config = ProcessingConfig(batch_size_mb=2.5 * plain / 2**20)
    handed: list[list[int]] = []
    reader = UsageReader(config, lambda: 1000)
    sizes = [0, 0, 0, 3 * plain, 0, 2 * plain, 0]
    lines = [usage_line(number, tags="x" * size) for number, size in enumerate(sizes, 1)]
    reader.process_lines(
        io.BytesIO(b"".join(lines)), {"RECORD": lambda message: handed.append(list(message[USAGE].line_numbers))}
    )
    assert handed == [[1, 2], [3], [4], [5], [6], [7]]


def test_normal_rows_of_a_full_group_are_not_cut_by_bytes() -> None:
    config = ProcessingConfig()
    assert config.batch_size_rows * 3000 < config.batch_size_mb * 2**20


def test_a_line_of_the_greatest_length_passes_and_a_longer_one_is_a_sentence(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture
) -> None:
    most = 3000
    line = state_line({"x": "y" * most})
    line = line.replace(b"y" * most, b"y" * (most - (len(line) - most)))
    assert len(line) == most
    assert mapper.run([USAGE_SCHEMA, line], max_line_mb=most / 2**20).lines[-1] == line
    longer = [USAGE_SCHEMA, line.replace(b"y", b"yy", 1)]
    sentence = refused(mapper, longer, caplog, max_line_mb=most / 2**20)
    assert sentence.startswith("Line 2 of the input is longer than ")
    assert "max_line_mb" in sentence


def test_input_without_an_end_of_line_is_not_gathered_for_ever(mapper: MapperRuns) -> None:
    with mapper.start(max_line_mb=1) as process:
        assert process.stdin is not None
        process.stdin.writelines(itertools.repeat(b"x" * 2**20, 500))  # read and discarded after the first
        process.stdin.close()
        assert process.stderr is not None
        said = process.stderr.read()
        process.wait(60)
    assert process.returncode == 1
    assert b"Line 1 of the input is longer than 1 MB" in said
    assert b"Traceback" not in said


def test_a_changed_batch_size_counts_from_the_next_group_on() -> None:
    sizes = iter((2, 3, 1, 1, 1))
    reader = UsageReader(batch_size_rows=lambda: next(sizes))
    handed: list[int] = []
    reader.process_lines(
        io.BytesIO(b"".join(map(usage_line, range(1, 8)))),
        {"RECORD": lambda message: handed.append(len(message[USAGE].records))},
    )
    assert handed == [2, 3, 1, 1]


def test_no_group_is_handled_after_one_that_failed() -> None:
    handed: list[str] = []

    def take(message: dict[str, Any]) -> None:
        handed.append(" ".join(map(str, message[USAGE].line_numbers)))
        if len(handed) == 2:
            raise OSError("no space left")

    reader = UsageReader(batch_size_rows=lambda: 2)
    with pytest.raises(OSError, match="no space left"):
        reader.process_lines(io.BytesIO(b"".join(map(usage_line, range(1, 12)))), {"RECORD": take})
    assert handed == ["1 2", "3 4"]


@pytest.mark.parametrize(
    "line",
    [
        state_line({}),
        USAGE_SCHEMA,
        MONTH_SCHEMA,
        OTHER_SCHEMA,
        month_line(1),
        b'{"type":"ACTIVATE_VERSION","stream":"prices","version":1}\n',
    ],
)
def test_rows_that_were_read_before_another_message_are_handed_on_before_it(line: bytes) -> None:
    handed = groups([usage_line(1), usage_line(2), line, usage_line(3)])
    assert handed == ["1 2", json.loads(line)["type"], "4"]


def test_a_record_of_another_stream_does_not_make_frames_small() -> None:
    assert groups([usage_line(1), OTHER_RECORD, usage_line(2), OTHER_RECORD]) == ["RECORD", "RECORD", "1 3"]


def test_everything_read_before_a_state_a_schema_or_a_month_row_is_written_before_it(mapper: MapperRuns) -> None:
    lines = [
        USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1), usage_line(2, extended_cost="x"), state_line({"a": 1}),
        usage_line(3), month_line(3), usage_line(4), OTHER_SCHEMA, usage_line(5), state_line({"a": 2}), usage_line(6),
    ]  # fmt: skip
    described = [f"SCHEMA {stream}" for stream in (DETAIL, "dq_tagging_audit", ISSUE, MONTH)]
    audited, found = "RECORD dq_tagging_audit", f"RECORD {ISSUE}"
    assert mapper.run(lines).kinds == [
        *described, DETAIL_RECORD, audited, found, "STATE", DETAIL_RECORD, audited, f"RECORD {MONTH}",
        DETAIL_RECORD, audited, "SCHEMA prices", DETAIL_RECORD, audited, "STATE", DETAIL_RECORD, audited,
    ]  # fmt: skip


RECORD_TEXT = json.dumps(
    {name: json.loads(str(value.text)) if isinstance(value, Number) else value for name, value in PLAIN_RECORD.items()}
)
HEAD = f'{{"type":"RECORD","stream":"usage_details","record":{RECORD_TEXT}'
TIME = '"time_extracted":"2026-11-03T02:00:00Z"'
SPELLINGS = {
    "spaces": f'{{"type": "RECORD", "stream": "usage_details", "record": {RECORD_TEXT}}}\n',
    "other key order": f'{{"record":{RECORD_TEXT},"stream":"usage_details","type":"RECORD"}}\n',
    "stream first": f'{{"stream":"usage_details","type":"RECORD","record":{RECORD_TEXT}}}\n',
    "time_extracted": f"{HEAD},{TIME}}}\n",
    "time_extracted with spaces": f'{HEAD}, "time_extracted": "2026-11-03T02:00:00Z"}}\n',
    "version": f'{HEAD},"version":1759276800000}}\n',
    "version and time_extracted": f'{HEAD},"version":1759276800000,{TIME}}}\n',
    "time_extracted and version": f'{HEAD},{TIME},"version":1}}\n',
    "an escaped stream": HEAD.replace("usage_", "usage\\u005f") + "}\n",
    "carriage return": f"{HEAD}}}\r\n",
    "white space around": f"  {HEAD}}}  \n",
    "no line feed at the end": f"{HEAD}}}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_usage_row_is_the_same_however_its_line_is_spelled(mapper: MapperRuns, spelling: str) -> None:
    plain = mapper.run([USAGE_SCHEMA, usage_line(7)]).records(DETAIL)
    assert len(plain) == 1
    assert mapper.run([USAGE_SCHEMA, SPELLINGS[spelling].encode()]).records(DETAIL) == plain


def test_names_of_the_message_may_also_be_names_of_columns(mapper: MapperRuns) -> None:
    fields = {"time_extracted": "2026-11-03T02:00:00Z", "type": "STATE", "stream": "x", "record": "y", "version": "1"}
    last = record_line("usage_details", PLAIN_RECORD | fields | {"time_extracted": "z"})
    assert len(mapper.run([USAGE_SCHEMA, usage_line(1, **fields), last]).records(DETAIL)) == 2


def test_blank_lines_are_passed_over_and_counted(mapper: MapperRuns) -> None:
    lines = [b"\n", USAGE_SCHEMA, b"  \r\n", usage_line(1), b"\n", usage_line(2), b"\n"]
    assert [row["row_number"] for row in mapper.run(lines).records(DETAIL)] == [1, 2]
    with pytest.raises(InvalidInputLine, match=r"^Line 8 "):
        mapper.run([*lines, b"{\n"])


MALFORMED = {
    "cut": usage_line(2)[:-20] + b"\n",
    "cut after a text": usage_line(2).replace(b'web-1"}}', b'web-1"}'),
    "cut by a text that looks like the end": usage_line(2, time_extracted="x")[:-2] + b"\n",
    "no JSON": b"Traceback (most recent call last):\n",
    "no object": b"[1]\n",
    "no type": b'{"stream":"usage_details"}\n',
    "an unknown type": b'{"type":"SAMPLE"}\n',
    "a record that is no object": b'{"type":"RECORD","stream":"usage_details","record":null}\n',
    "a usage row without record": b'{"type":"RECORD","stream":"usage_details"}\n',
    "two records in one": usage_line(2)[:-2] + b"," + usage_line(3)[51:],
    "a comma too many": usage_line(2)[:-3] + b",}}\n",
    "NaN": usage_line(2).replace(b'"extended_cost":10', b'"extended_cost":NaN'),
    "nested too deep": usage_line(2)[:-3] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}}\n",
    "no UTF-8": usage_line(2).replace(b"web-1", b"web-\xff"),
    "a record without stream": b'{"type":"RECORD","record":{}}\n',
    "a schema without stream": b'{"type":"SCHEMA","schema":{}}\n',
    "a schema of ours without schema": b'{"type":"SCHEMA","stream":"usage_details"}\n',
    "a schema that is a number": b'{"type":"SCHEMA","stream":"usage_details","schema":5}\n',
    "a schema that is null": b'{"type":"SCHEMA","stream":"billing_months","schema":null}\n',
    "a schema whose properties are a list": b'{"type":"SCHEMA","stream":"usage_details","schema":{"properties":[]}}\n',
    "a schema of another stream that is a list": b'{"type":"SCHEMA","stream":"prices","schema":[]}\n',
    "a stream that is null": b'{"type":"SCHEMA","stream":null,"schema":{}}\n',
    "a stream that is a list": b'{"type":"RECORD","stream":["usage_details"],"record":{}}\n',
    "a type that is null": b'{"type":null,"stream":"usage_details"}\n',
    "a usage row that is a number": b'{"type":"RECORD","stream":"usage_details","record":5}\n',
    "a month row that is a number": b'{"type":"RECORD","stream":"billing_months","record":5}\n',
    "a state without value": b'{"type":"STATE"}\n',
    "a version without stream": b'{"type":"ACTIVATE_VERSION","version":1}\n',
    "a month row that lacks a column": record_line("billing_months", {"enrollment_number": "1"}),
    "a usage row without month": usage_line(2, billing_month=None),
    "a usage row without number": usage_line(2, row_number="x"),
    "a usage row without snapshot": usage_line(2, snapshot_at="yesterday"),
}  # fmt: skip


def refused(mapper: MapperRuns, lines: Sequence[bytes], caplog: pytest.LogCaptureFixture, **settings: Any) -> str:
    """The sentence with which the mapper's command refuses the lines."""

    class Given(MapperAzureBillingTracking):
        """The mapper with its settings given."""

        def __init__(self, **_: Any) -> None:
            super().__init__(config=mapper.settings(**settings))

    with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as ended:
        Given.invoke(file_input=io.TextIOWrapper(io.BytesIO(b"".join(lines))))
    assert ended.value.code == 1
    (sentence,) = (entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR)
    assert not any(entry.exc_info for entry in caplog.records)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_line_stops_the_run_with_its_number(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    lines = [USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1), MALFORMED[kind], state_line({})]
    assert "Line 4 " in refused(mapper, lines, caplog)


def test_a_malformed_line_ends_the_process_with_one_sentence_and_no_state_behind_it(mapper: MapperRuns) -> None:
    ended = mapper.finish(
        [USAGE_SCHEMA, usage_line(1), state_line({}), usage_line(2), b"{cut\n", state_line({"last": 1})]
    )
    assert ended.sentence().startswith("Line 5 of the input is no Singer message: ")
    assert ended.output.messages[-1]["type"] != "STATE" or ended.output.messages[-1]["value"] == {}


@pytest.mark.parametrize("line", [usage_line(1), month_line(0)])
def test_a_record_before_its_schema_stops_the_run(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    assert "before its SCHEMA" in refused(mapper, [OTHER_SCHEMA, line], caplog)


@pytest.mark.parametrize(
    ("stream", "encoding"), [("usage_details", "jsonl"), ("billing_months", "jsonl"), ("billing_months", "arrow")]
)
def test_a_batch_that_is_no_arrow_file_of_usage_rows_stops_the_run(
    mapper: MapperRuns, caplog: pytest.LogCaptureFixture, stream: str, encoding: str
) -> None:
    batch = {"type": "BATCH", "stream": stream, "encoding": {"format": encoding}, "manifest": []}
    sentence = refused(mapper, [schema_line(stream), json.dumps(batch).encode() + b"\n"], caplog)
    assert sentence.startswith("Line 2 of the input")
    assert "BATCH" in sentence


def test_versions_of_our_streams_are_dropped(mapper: MapperRuns) -> None:
    lines = [
        b'{"type":"ACTIVATE_VERSION","stream":"usage_details","version":1}\n',
        b'{"type":"ACTIVATE_VERSION","stream":"billing_months","version":1}\n',
    ]
    assert mapper.run([USAGE_SCHEMA, *lines, usage_line(1)]).kinds[3:4] == [DETAIL_RECORD]


OTHERS = [
    b'{"type": "SCHEMA", "stream": "prices", "schema": {"properties": {"a": {}}}, "key_properties": ["a"], "x": 1}\n',
    b'{"type":"RECORD","stream":"prices","record":{"a":12345678901234567890,"b":1.10,"c":1E5,"d":0.12345678901234567890}}\n',
    b'{"stream":"prices","record":{"a":"\\u00e9\\ud83d\\ude00","a":1},"type":"RECORD","version":1,"time_extracted":""}\n',
    b'{"type":"RECORD","stream":"prices","record":{"a":1e400}}\n',
    b'{"type":"RECORD","stream":"prices","record":{"a":1},"usage":1,"line":2}\n',
    b'{"type":"ACTIVATE_VERSION","stream":"prices","version":123456789012345678901234567890}\n',
    b'{"type":"BATCH","stream":"prices","encoding":{"format":"jsonl"},"manifest":["file:///a"]}\n',
    b'  {"type":"RECORD" , "stream":"prices","record":{}}\r\n',
]


@pytest.mark.parametrize("line", OTHERS)
def test_a_message_of_another_stream_passes_byte_for_byte(mapper: MapperRuns, line: bytes) -> None:
    assert mapper.run([line]).lines == [line]


@pytest.mark.parametrize("value", ['{"a":12345678901234567890123}', '{"b":1.10,"c":1E5}', "{}"])
def test_a_state_keeps_its_digits(mapper: MapperRuns, value: str) -> None:
    (line,) = mapper.run([f'{{"type":"STATE","value":{value}}}\n'.encode()]).lines
    assert f'"value":{value}'.encode() in line.replace(b": ", b":")


def test_the_tables_are_described_once_however_often_the_tap_describes_its_own(mapper: MapperRuns) -> None:
    output = mapper.run([USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1), USAGE_SCHEMA, MONTH_SCHEMA, usage_line(2)])
    assert [kind for kind in output.kinds if kind.startswith("SCHEMA")] == [
        f"SCHEMA {stream}" for stream in (DETAIL, "dq_tagging_audit", ISSUE, MONTH)
    ]


def test_an_empty_input_gives_nothing(mapper: MapperRuns) -> None:
    assert mapper.run([]).lines == []
