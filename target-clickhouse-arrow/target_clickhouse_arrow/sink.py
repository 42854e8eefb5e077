"""target-clickhouse's sink, extended to Arrow files; target-clickhouse handles RECORDs and other files."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from target_clickhouse.sinks import ClickhouseSink

from target_clickhouse_arrow.connector import ClickhouseArrowConnector
from target_clickhouse_arrow.errors import LoadError
from target_clickhouse_arrow.files import local_path, read_file, require_inside, require_local_files
from target_clickhouse_arrow.loading import uses_http
from target_clickhouse_arrow.remarks import is_no_remark
from target_clickhouse_arrow.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Target
    from singer_sdk.helpers._batch import BaseBatchFileEncoding


class ClickhouseArrowSink(ClickhouseSink):  # type: ignore[misc] # target-clickhouse has no types
    """Loads one stream into its table.

    target-clickhouse creates or alters the table when the SCHEMA comes: `number` becomes Float32, and a column that is
    not Nullable becomes String where the schema says string. Here this waits for the first RECORD, so a table
    that gets only Arrow files keeps its types, and a missing one is an error.
    """

    connector_class = ClickhouseArrowConnector
    _is_set_up = False

    def __init__(self, target: Target, stream_name: str, **stream: Any) -> None:  # noqa: ANN401 - as in the SDK's Sink
        target.logger.getChild(stream_name).addFilter(is_no_remark)
        super().__init__(target=target, stream_name=stream_name, **stream)

    def setup(self) -> None:
        """Leave the table alone until the first RECORD."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Load RECORDs as target-clickhouse does, after its table set-up.

        Raises:
            LoadError: If the server can't be reached over HTTP or does not let this user in.
        """
        if not self._is_set_up:
            if uses_http(self.config):
                self.connector.warehouse.connect().close()  # its sentence says what is wrong, unlike a traceback
            super().setup()
            self._is_set_up = True
        super().process_batch(context)

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Insert each Arrow file into the table, then delete it.

        Raises:
            LoadError: If a file can't be loaded; it stays in place, and so do those after it.
        """
        if encoding.format != "arrow":
            require_local_files(files)
            super().process_batch_files(encoding, files)
            return
        if encoding.compression:
            raise LoadError(f"An Arrow file is not compressed as a whole, but its message says {encoding.compression}.")
        if self.config["load_method"] == "overwrite":
            raise LoadError("Arrow files are appended to the table: load_method overwrite is not for them.")
        folder = Path(self.config.get("batch_directory") or gettempdir())
        warehouse = self.connector.warehouse
        for path in (require_inside(local_path(url), folder) for url in files):
            rows = warehouse.insert(self.full_table_name, read_file(path))
            path.unlink()
            self.tally_record_written(rows)
            self.logger.info("Loaded %s of %s into %s.", counted(rows, "row"), path, self.full_table_name)
