"""Rows of the EA API become the same, bit by bit, as RECORDs, in files, and with every value in its own column."""

from __future__ import annotations

import json
import logging
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapper import strategies
from mapper.oracle_json import Json, JsonObject, Number, json_text, load_json
from mapper.test_rules_differential import usage_records
from polars.testing import assert_frame_equal

from azure_billing_warehouse.patterns.pattern import Pattern
from mapper_azure_billing_tracking.batches.arrow import ArrowReader
from mapper_azure_billing_tracking.batches.records import RecordsReader
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.transform import Transform
from sandbox.bill.generator import Bill, example_patterns
from tap_azure_ea_billing.batch_files import BatchFiles
from tap_azure_ea_billing.records import RecordMaker, record_lines
from tap_azure_ea_billing.sources.dates import iso_date_of_text
from tap_azure_ea_billing.sources.ea.answers import read_answer
from tap_azure_ea_billing.sources.ea.names import API_NAMES, INTEGERS, NUMBERS, RARE_API_NAMES
from tap_azure_ea_billing.sources.ea.rows import COLUMNS, RowReader
from tap_azure_ea_billing.sources.ea.source import PageBatch
from tap_azure_ea_billing.sources.misfits import is_integer, is_number
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mapper_azure_billing_tracking.batches.batch import UsageBatch

KEY = {
    "enrollment_number": "1",
    "dataset": "actual",
    "billing_month": "2026-10-01",
    "snapshot_at": "2026-11-01T00:00:00.000+00:00",
}
NAMES = API_NAMES | RARE_API_NAMES
ODD_JSON = (
    *("null", "true", '""', '" 5 "', '"1.5"', "1.50", "-0", "-0.0", "7.29E-9", "1e400", "18446744073709551616", "7.0"),
    *('"n"', '"null"', '"null\\n5"', '"\\u4e2d\\/\\"\\n\\u0000"', '"\\ud83d\\ude00"', "[]", "{}", "[1, 2]"),
    *('{"a": 1.50, "b": null}', '"{\\"app\\": \\"x\\"}"', '"10/05/2026"', '"2026-10-05T00:00:00Z"', "20261005", '"?"'),
)


@dataclass
class Way:
    """What rows became on one way."""

    parts: list[dict[str, pl.DataFrame]] = field(default_factory=list)
    tallies: list[Any] = field(default_factory=list)
    transform: Transform = field(default_factory=lambda: Transform(ProcessingConfig()))

    def __post_init__(self) -> None:
        """Track by the patterns of the examples."""
        patterns = [Pattern(*pattern) for pattern in (*example_patterns(), (1, "crm"), (2, "web"))]
        self.transform.track_with(ResourceTrackingEngine(patterns))

    def add(self, batch: UsageBatch) -> None:
        """Transform a batch."""
        outcome = self.transform(batch)
        self.parts.append({"staged": outcome.staged, "audit": outcome.audit, "issues": outcome.issues})
        self.tallies += outcome.tallies.values()

    def add_lines(self, lines: list[bytes]) -> None:
        """Transform RECORD lines."""
        if lines:
            self.add(RecordsReader(ProcessingConfig()).read(usage_records(lines)))

    def frame(self, name: str) -> pl.DataFrame:
        """All rows of a table, in the order of their numbers."""
        frame = pl.concat(part[name] for part in self.parts)
        return frame.sort("row_number", *({"rule", "column"} & set(frame.columns)))

    def count(self, name: str) -> int:
        """What all batches count."""
        return sum(getattr(tally, name) for tally in self.tallies)


def page_of(rows: Iterable[bytes]) -> bytes:
    return b'{"content":[' + b",".join(rows) + b"]}"


def reader() -> RowReader:
    return RowReader("CNY", UnknownFields(logging.getLogger("test")))


def as_records(bodies: Iterable[bytes]) -> tuple[Way, list[Any]]:
    """What the mapper makes of pages that are written as RECORDs, and their costs."""
    way, costs, rows = Way(), [], reader()
    lines: list[bytes] = []
    maker = RecordMaker(**KEY, columns=COLUMNS)
    for body in bodies:
        batch = PageBatch(read_answer(200, body, first=True).rows, rows)
        costs += batch.costs()
        lines += record_lines("usage_details", maker.records(batch.rows(), len(lines) + 1)).splitlines()
    way.add_lines(lines)
    return way, costs


def as_given(bodies: Iterable[bytes]) -> Way:
    """What the mapper makes of records with every value in its own column, whatever its type."""
    way, fields = Way(), {name: column for column, name in NAMES.items()}
    lines: list[bytes] = []
    for body in bodies:
        for row in msgspec.json.decode(body, type=dict[str, list[dict[str, msgspec.Raw]]])["content"]:
            others = {name: value for name, value in row.items() if name not in fields}
            record: dict[str, Any] = {**KEY, "row_number": len(lines) + 1, "billing_currency": "CNY"}
            record |= {fields[name]: value for name, value in row.items() if name in fields}
            if bytes(record.get("date", b""))[:1] == b'"':
                day = msgspec.json.decode(record["date"])
                record["date"] = iso_date_of_text(day) or day
            for name in ("tags", "additional_info", "charge_type"):
                if name in record and bytes(record[name])[:1] not in b'"n':
                    record[name] = bytes(record[name]).decode()
            record["extra"] = msgspec.json.encode(others).decode() if others else None
            message = {"type": "RECORD", "stream": "usage_details", "record": record}
            lines.append(msgspec.json.encode(message))
    way.add_lines(lines)
    return way


def as_columns(bodies: Iterable[bytes], folder: Path, batch_size: int) -> tuple[Way, list[Any], list[int]]:
    """What the mapper makes of pages that are written as files; their costs; files' rows."""
    way, costs, heights, first, rows = Way(), [], [], 1, reader()
    gatherer = BatchFiles(str(folder), "rows-", batch_size).gather(KEY, ())

    def read(paths: Iterator[Path]) -> None:
        for path in paths:
            for found in ArrowReader(ProcessingConfig()).read(path, "Line 1", None):
                heights.append(found.frame.height)
                way.add(found)
            path.unlink()

    for body in bodies:
        batch = PageBatch(read_answer(200, body, first=True, in_columns=True).rows, rows)
        costs += batch.costs()
        frame = batch.frame()
        assert frame is not None
        read(gatherer.add(frame, range(first, first + len(batch))))
        first += len(batch)
    read(gatherer.rest())
    return way, costs, heights


def bits(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame whose floats are their bits; but -0 is 0 to Polars' JSON reader, and -0.0 as a text."""
    return frame.with_columns(
        pl.Series(name, [None if value is None else struct.pack("<d", value + 0) for value in frame[name]], pl.Binary)
        for name, dtype in frame.schema.items()
        if dtype == pl.Float64
    )


def assert_same_ways(bodies: list[bytes], folder: Path, batch_size: int) -> None:
    records, record_costs = as_records(bodies)
    columns, column_costs, heights = as_columns(bodies, folder, batch_size)
    assert sorted(map(str, column_costs)) == sorted(map(str, record_costs))
    assert all(height == batch_size for height in heights[:-1])
    given = as_given(bodies)
    for part, same_part in zip(records.parts, given.parts, strict=True):
        audits = (bits(found["audit"].drop("audit_timestamp")) for found in (part, same_part))
        assert_frame_equal(*audits)
    assert records.tallies == given.tallies
    for way, other in ((columns, records), (records, given)):
        assert_frame_equal(bits(way.frame("staged")), bits(other.frame("staged")))
        found, expected = way.frame("issues"), other.frame("issues")
        assert_frame_equal(bits(found.drop("record")), bits(expected.drop("record")))
        for text, same in zip(found["record"], expected["record"], strict=True):
            assert (text is None) == (same is None)
            assert text is None or kept(text) == kept(same)
        for name in ("received", "staged", "rejected", "issues", "conflicts"):
            assert way.count(name) == other.count(name), name


def kept(record: str) -> dict[str, Any]:
    """What a kept record says: text that is a JSON number is one, and a column that is null is as none."""
    found = load_json(record)
    assert isinstance(found, JsonObject)
    values: dict[str, Any] = {name: value for name, value in found.pairs if value is not None}
    assert "unreadable" not in values
    for name in NUMBERS:
        if isinstance(values.get(name), str) and (is_integer if name in INTEGERS else is_number)(values[name]):
            values[name] = Number(values[name])
    return values


@st.composite
def api_rows(draw: st.DrawFn) -> bytes:
    """A row as the API writes it, most of them plain, with any oddity in any field."""
    record = {name: value for name, value in draw(strategies.records()).items() if name in NAMES}
    fields: list[tuple[str, Json]] = [(NAMES[name], value) for name, value in record.items()]
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(("PartNumber", "accountName", "extra", "billing_currency", "row_number")))
        fields.append((name, draw(st.sampled_from(("x", Number("1.50"), JsonObject((("n", None),)))))))
    texts = [f"{json.dumps(name)}:{_spelled(draw, value)}" for name, value in fields]
    if draw(st.integers(0, 2)) == 0:
        odd = f"{json.dumps(draw(st.sampled_from(sorted(NAMES.values()))))}:{draw(st.sampled_from(ODD_JSON))}"
        texts.insert(draw(st.integers(0, len(texts))), odd)  # a field that is there twice, as a rule
    return ("{" + draw(st.sampled_from((",", ", ", ",\n"))).join(texts) + "}").encode()


def _spelled(draw: st.DrawFn, value: Json) -> str:
    return json.dumps(value) if isinstance(value, str) and draw(st.booleans()) else json_text(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("batches")


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    pages=st.lists(st.lists(api_rows(), min_size=1, max_size=8), min_size=1, max_size=3), batch_size=st.integers(1, 16)
)
def test_rows_of_any_kind_become_the_same(folder: Path, pages: list[list[bytes]], batch_size: int) -> None:
    assert_same_ways([page_of(rows) for rows in pages], folder, batch_size)


def test_any_value_in_any_field_becomes_the_same(folder: Path) -> None:
    plain = next(iter(Bill("1", 1, 1000).row_texts("2026-10", 0)))
    row = msgspec.json.decode(plain, type=dict[str, msgspec.Raw])
    rows = [row | {name: msgspec.Raw(text.encode())} for name in NAMES.values() for text in ODD_JSON]
    rows += [{field: value for field, value in row.items() if field != name} for name in row]
    assert_same_ways([page_of(map(msgspec.json.encode, rows))], folder, len(rows))


def test_a_bill_with_every_trap_becomes_the_same(folder: Path) -> None:
    texts = [text.encode() for text in Bill("1", 3, 4000).row_texts("2026-10", 0)]
    assert_same_ways([page_of(texts[start : start + 1000]) for start in range(0, len(texts), 1000)], folder, 1500)
