"""The plugin: target-clickhouse with another sink; its settings and everything else are target-clickhouse's."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

from target_clickhouse.target import TargetClickhouse

from target_clickhouse_arrow.drain import drain
from target_clickhouse_arrow.encoding import ArrowEncoding
from target_clickhouse_arrow.messages import Messages, require_database
from target_clickhouse_arrow.remarks import is_no_remark
from target_clickhouse_arrow.sink import ClickhouseArrowSink

__all__ = ["ArrowEncoding", "TargetClickhouseArrow"]


class TargetClickhouseArrow(TargetClickhouse):  # type: ignore[misc] # target-clickhouse has no types
    """target-clickhouse, with Arrow BATCH files added."""

    package_name = "target-clickhouse-arrow"
    default_sink_class = ClickhouseArrowSink
    config_jsonschema: ClassVar[dict[str, Any]] = {
        **TargetClickhouse.config_jsonschema,
        "properties": {
            **TargetClickhouse.config_jsonschema["properties"],
            "password_file": {
                "type": ["string", "null"],
                "title": "Password file",
                "description": "File that holds the password instead of password. Where that is `fernet:` and an "
                "encrypted password, fernet_key or fernet_key_file decrypts it.",
            },
            "fernet_key": {
                "type": ["string", "null"],
                "title": "Fernet key",
                "description": "Key that decrypts a password of the form `fernet:...`.",
                "secret": True,
            },
            "fernet_key_file": {
                "type": ["string", "null"],
                "title": "Fernet key file",
                "description": "File that holds the Fernet key instead of fernet_key.",
            },
            "batch_directory": {
                "type": ["string", "null"],
                "title": "Batch directory",
                "description": "Folder below which Arrow files are loaded, and then deleted; a file elsewhere is an "
                "error. The system's temporary folder by default.",
            },
            "cluster": {
                "type": ["string", "null"],
                "title": "Cluster",
                "description": "Cluster on which the tables are, as in system.clusters: inserts wait for a majority of "
                "the replicas.",
            },
            "ca_cert": {
                "type": ["string", "null"],
                "title": "CA file",
                "description": "File with the certificates (PEM) of the authorities to trust, instead of the system's; "
                "for the driver http.",
            },
        },
    }

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - what the SDK's constructor takes
        self.logger.addFilter(is_no_remark)
        super().__init__(**options)
        require_database(self.config.get("database"))
        self._messages = Messages()
        _end_on_signals()

    @classmethod
    def invoke(cls, **options: Any) -> None:  # noqa: ANN401 - as the SDK's command gives them
        """Run the target as a command; make its settings private to this user where they are a file of Meltano's."""
        for argument in sys.argv:
            if Path(argument).match("run/*/*.config.json"):
                with contextlib.suppress(OSError):
                    Path(argument).chmod(0o600)
        try:
            super().invoke(**options)
        except Exception:  # of whatever kind: the mapper has to stop first, and the error is raised again
            drain(sys.stdin.fileno())
            raise

    def deserialize_json(self, line: str) -> dict[str, Any]:
        """Return the message of a line.

        Raises:
            LoadError: If it can't be loaded; the sentence has the line's number.
        """
        return self._messages.read(line)


def _end_on_signals() -> None:
    """End on SIGTERM and SIGINT with the code that shells report; what isn't loaded by then stays unloaded."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
