"""What the tap relies on in singer-sdk beyond its documentation: a release of singer-sdk that changes it fails here."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest
from singer_sdk import Stream, Tap
from typing_extensions import override

from tap_azure_ea_billing.sdk import BillStream, PageStream, PageWriter, RequestMetrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.helpers.types import Context, Record

TEXT = {"type": ["string", "null"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"key": {"type": "integer"}, "text": TEXT, "deep": {"type": "object", "properties": {"a": TEXT}}},
}
ROWS: list[dict[str, Any]] = [
    {"key": 1, "text": "a", "deep": {"a": "x"}},
    {"key": 2, "text": None, "deep": {"a": "y"}},
    {"key": 3, "text": "c", "deep": {"a": None}},
]
Row = msgspec.defstruct("Row", [("key", Any), ("text", Any), ("deep", Any)])
MAPS: list[dict[str, Any]] = [
    {},
    {"stream_maps": {"rows": {"__alias__": "other"}}},
    {"stream_maps": {"rows": {"twice": "deep['a'] * 2 if deep['a'] else ''", "__filter__": "key > 1"}}},
    {"stream_maps": {"rows": None}},
    {"stream_maps": {"rows": {}, "copy": {"__source__": "rows", "number": "key * 2"}}},
    {"flattening_enabled": True, "flattening_max_depth": 1},
]


class OneByOne(Stream):
    """Rows as singer-sdk writes them."""

    name = "rows"
    schema: ClassVar[dict[str, Any]] = SCHEMA
    primary_keys = ("key",)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from (dict(row) for row in ROWS)


class ByPage(PageStream):
    """The same rows as the tap writes them."""

    name = "rows"
    schema: ClassVar[dict[str, Any]] = SCHEMA
    primary_keys = ("key",)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        records = [Row(**row) for row in ROWS]
        for name in self.deselected():
            for record in records:
                setattr(record, name, msgspec.UNSET)
        self.write_page(records)
        return ()


class Broken(BillStream):
    """A stream that fails."""

    name = "broken"
    schema: ClassVar[dict[str, Any]] = SCHEMA

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        raise OSError(self.most_records)


class Bookmarked(BillStream):
    """A stream with a bookmark of its own, which says of each record when the next one is asked for."""

    name = "bookmarked"
    schema: ClassVar[dict[str, Any]] = SCHEMA
    replication_key = "key"
    is_sorted = True

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for row in ROWS:
            yield dict(row)
            self.replace_bookmark(context, {"read": row["key"]})


class OneStreamTap(Tap):
    """A tap of one of these streams."""

    name = "tap-one-stream"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {}}
    message_writer_class = PageWriter
    stream: ClassVar[type[Stream]]

    @override
    def discover_streams(self) -> list[Stream]:
        return [self.stream(self)]


def tap_of(stream: type[Stream], **options: Any) -> Tap:
    tap: Tap = type("TapOfTest", (OneStreamTap,), {"stream": stream})(**options)
    return tap


def messages(stream: type[Stream], **options: Any) -> list[dict[str, Any]]:
    """Run a tap; return what it wrote, without the times."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(written):
        tap_of(stream, **options).sync_all()
    written.seek(0)
    found = [json.loads(line) for line in written]
    for message in found:
        message.pop("time_extracted", None)
    return found


@pytest.mark.parametrize("config", MAPS)
@pytest.mark.parametrize("deselected", [None, "text"])
def test_a_page_is_written_as_singer_sdk_writes_its_records(config: Mapping[str, Any], deselected: str | None) -> None:
    catalog = tap_of(OneByOne).catalog_dict
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", deselected]:
            entry["metadata"]["selected"] = False
    options = {"config": dict(config), "catalog": catalog}
    assert sorted(map(json.dumps, messages(ByPage, **options))) == sorted(
        map(json.dumps, messages(OneByOne, **options))
    )


def test_a_page_is_counted_as_singer_sdk_counts_its_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for stream in (OneByOne, ByPage):
        caplog.clear()
        messages(stream)
        assert caplog.text.count('"metric":"record_count","value":3,') == 1


def test_a_stream_that_fails_is_not_reported_by_singer_sdk(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OSError, match="None"):
        messages(Broken)
    assert "unhandled" not in caplog.text


def test_singer_sdk_reports_a_stream_that_fails_at_the_level_that_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """If it stopped doing so, the stream's own `log` would be for nothing."""
    plain = type("Plain", (Broken,), {"log": Stream.log})
    with pytest.raises(OSError, match="None"):
        messages(plain)
    assert [record.levelname for record in caplog.records if "unhandled" in record.getMessage()] == ["ERROR"]


def test_a_dry_run_says_how_many_records_it_wants() -> None:
    with pytest.raises(OSError, match="7"):
        tap_of(Broken).run_sync_dry_run(7)


def test_a_bookmark_of_the_streams_own_is_all_of_the_state_after_each_record() -> None:
    output = messages(Bookmarked)
    kinds = [message["type"] for message in output]
    assert kinds[:7] == ["SCHEMA", "RECORD", "STATE", "RECORD", "STATE", "RECORD", "STATE"]
    states = [message["value"]["bookmarks"]["bookmarked"] for message in output if message["type"] == "STATE"]
    assert states[:3] == [{"read": row["key"]} for row in ROWS]


def test_requests_are_measured_in_singer_sdks_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="singer_sdk.metrics")
    with RequestMetrics("/path", {"billing_month": "2026-10-01"}) as requests:
        requests.answered(503, 0.25)
        requests.answered(200, 1.5)
        requests.count()
    points = [json.loads(record.getMessage().removeprefix("METRIC: ")) for record in caplog.records]
    assert [(point["type"], point["metric"], point["value"]) for point in points] == [
        ("timer", "http_request_duration", 0.25),
        ("timer", "http_request_duration", 1.5),
        ("counter", "http_request_count", 1),
    ]
    for point in points:
        assert {name: point["tags"][name] for name in ("stream", "endpoint", "context")} == {
            "stream": "usage_details",
            "endpoint": "/path",
            "context": {"billing_month": "2026-10-01"},
        }
    assert [point["tags"].get("status") for point in points] == ["failed", "succeeded", None]
