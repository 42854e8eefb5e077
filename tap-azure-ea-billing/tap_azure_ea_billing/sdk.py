"""What the tap relies on in singer-sdk beyond the interface that its documentation describes; nothing else does.

`tests/tap/test_sdk.py` says of each point when a release of singer-sdk changes it. Rows are written by the page, since
singer-sdk's way through each record costs more than all the rest of the tap; selection and stream maps are applied here
as singer-sdk applies them. BATCH files are written from frames of columns, which singer-sdk's batchers, fed with
records one by one, have no way to take.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from singer_sdk import metrics
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream
from typing_extensions import override

from tap_azure_ea_billing.records import plain, record_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

S = TypeVar("S", bound=Stream)
_FIRST_ERROR_STATUS = 400
_REMARKS = ("Skipping parse of env var settings", "Config validation failed", "Added '%s' as child stream")


def is_no_remark(record: logging.LogRecord) -> bool:
    """Return whether a log record is more than a remark of singer-sdk on itself, as a filter of the plugin's log."""
    return not str(record.msg).startswith(_REMARKS)


class PageWriter(MsgSpecWriter):
    """singer-sdk's msgspec writer, which can also write many lines at once."""

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines to standard output, and flush it."""
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()


class BillStream(Stream):
    """A stream that leaves it to `tap` to say, in one sentence, why it stopped."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    @override
    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self._plugin = tap

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Leave out singer-sdk's remark that an error was not handled: the command line does that."""
        if level < logging.ERROR or sys.exc_info()[0] is None:
            super().log(message, *args, level=level, **kwargs)

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Return None: which rows go to files is decided by the page, not by the stream."""

    @property
    def most_records(self) -> int | None:
        """The number of records after which `--test` ends, None for a run."""
        return self.ABORT_AT_RECORD_COUNT

    @property
    def takes_no_notice_of_state(self) -> bool:
        """Whether the catalog asks for everything each time."""
        return self.replication_method == REPLICATION_FULL_TABLE

    def child(self, kind: type[S]) -> S:
        """Return the child stream of this kind."""
        return next(stream for stream in self.child_streams if isinstance(stream, kind))

    def replace_bookmark(self, context: Context | None, bookmark: Mapping[str, Any]) -> None:
        """Let a bookmark be all that the state has of a partition and of the child streams, and write STATE.

        singer-sdk notes where each stream began and the newest record; here one bookmark is for both streams.
        """
        state = self.get_context_state(context)
        for key in ("starting_replication_value", "replication_key", "replication_key_value"):
            state.pop(key, None)
        for stream in self.child_streams:
            stream.stream_state.clear()
        state.update(bookmark)
        self._plugin.state_writer.write_state(self._plugin.state)


class PageStream(BillStream):
    """A stream that writes its records many at a time."""

    @override
    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self._writer = cast("PageWriter", tap.message_writer)  # of the tap's `message_writer_class`
        self._counter: metrics.Counter | None = None

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = metrics.DEFAULT_LOG_INTERVAL
    ) -> metrics.Counter:
        """Return singer-sdk's counter, and keep it, since records are counted by the page."""
        self._counter = super().get_record_counter(endpoint=endpoint, log_interval=log_interval)
        return self._counter

    def write_schema_and_records(self, context: Mapping[str, str]) -> None:
        """Let `get_records` write the records of a context, after SCHEMA, when the parent stream wants them."""
        self.sync(context)

    def deselected(self) -> list[str]:
        """Return the columns that the catalog leaves out."""
        return [name for name in self.schema["properties"] if not self.mask["properties", name]]

    def write_page(self, records: list[msgspec.Struct]) -> None:
        """Write and count records, under each name that the stream maps give the stream."""
        for stream_map in self.stream_maps:
            mapped: Iterable[msgspec.Struct | Record] = records
            if not isinstance(stream_map, SameRecordTransform) or stream_map.flattening_enabled:
                transformed = (stream_map.transform(plain(record)) for record in records)
                mapped = [record for record in transformed if record is not None]
            self._writer.write_lines(record_lines(stream_map.stream_alias, mapped))
        self.count(len(records))

    def can_write_files(self) -> bool:
        """Return whether rows may go to files: no stream map has to see each of them."""
        return all(
            isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled
            for stream_map in self.stream_maps
        )

    def write_file(self, encoding: str, path: Path) -> None:
        """Write BATCH, which names a file of rows, under each name that the stream maps give the stream."""
        for stream_map in self.stream_maps:
            message = {
                "type": "BATCH",
                "stream": stream_map.stream_alias,
                "encoding": {"format": encoding},
                "manifest": [path.as_uri()],
            }
            self._writer.write_lines(msgspec.json.encode(message) + b"\n")

    def count(self, records: int) -> None:
        """Count records that were written."""
        if self._counter is not None:
            self._counter.increment(records)


class RequestMetrics:
    """singer-sdk's metrics of the requests for one month, as a context manager that writes their number at its end.

    Args:
        endpoint: Path of the requests.
        context: Enrollment and month.
    """

    _STREAM = "usage_details"

    def __init__(self, endpoint: str, context: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._context = context
        self._counter = metrics.http_request_counter(self._STREAM, endpoint)
        self._counter.with_context(context)

    def __enter__(self) -> Self:
        """Begin to count."""
        self._counter.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """Write the number."""
        self._counter.__exit__(exc_type, exc_val, exc_tb)

    def count(self) -> None:
        """Count a request that brought what was asked for."""
        self._counter.increment()

    def answered(self, status: int, seconds: float) -> None:
        """Write how long an answer took, for DEBUG: there is one for each page."""
        failed = status >= _FIRST_ERROR_STATUS
        tags: dict[str, Any] = {
            metrics.Tag.STREAM: self._STREAM,
            metrics.Tag.ENDPOINT: self._endpoint,
            metrics.Tag.HTTP_STATUS_CODE: status,
            metrics.Tag.STATUS: metrics.Status.FAILED if failed else metrics.Status.SUCCEEDED,
            metrics.Tag.CONTEXT: self._context,
        }
        point = metrics.Point("timer", metrics.Metric.HTTP_REQUEST_DURATION, seconds, tags)
        metrics.get_metrics_logger().debug("METRIC: %s", point)
