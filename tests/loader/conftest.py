"""The loader as a process of its own environment, and a ClickHouse for it; what is expected of them is in the tests."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.launch import ClickHouse

ROOT = Path(__file__).parents[2]
# The one named by the environment, the one of Meltano's plugin, or one made by hand (see the loader's README).
PLACES = (".meltano/loaders/target-clickhouse/venv/bin", ".cache/loader/bin")
PASSWORD = "p@ss:word/%1"  # noqa: S105 - of a server that lives for these tests


@dataclass(frozen=True)
class Loader:
    """The loader's executable with settings for one ClickHouse; `folder` takes its settings file."""

    executable: Path
    folder: Path
    settings: dict[str, Any]

    def start(
        self, environment: Mapping[str, str] | None = None, path: Path | None = None, **settings: Any
    ) -> subprocess.Popen[str]:
        """Starts it with the settings and those given here, in the file of that path; it waits for messages."""
        path = path or self.folder / "settings.json"
        path.write_text(json.dumps({**self.settings, **settings}))
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [self.executable, "--config", path],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def run(self, messages: Sequence[dict[str, Any]], **settings: Any) -> subprocess.CompletedProcess[str]:
        """Sends it the messages and waits for its end."""
        process = self.start(**settings)
        out, err = process.communicate("".join(f"{json.dumps(message)}\n" for message in messages), timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def failure(ended: subprocess.CompletedProcess[str]) -> str:
    """The sentence that a failed run ends with, which never shows the password, nor a trace before it."""
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert PASSWORD not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("Error: "), ended.stderr
    return last.removeprefix("Error: ")


def loader_folder() -> Path:
    """The folder of the loader's executables.

    Raises:
        FileNotFoundError: if the loader is not installed.
    """
    named = os.environ.get("TARGET_CLICKHOUSE_ARROW")
    places = [Path(named).parent] if named else [ROOT / place for place in PLACES]
    for place in places:
        if (place / "target-clickhouse-arrow").exists():
            return place
    raise FileNotFoundError(f"no target-clickhouse-arrow in {', '.join(map(str, places))}: run script/setup")


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse"), password=PASSWORD) as started:
        yield started


@pytest.fixture
def loader(clickhouse: ClickHouse, tmp_path: Path) -> Loader:
    clickhouse.execute(
        """
        CREATE OR REPLACE TABLE bill (
            billing_month Date, snapshot_at DateTime64(3, 'UTC'), row_number UInt64,
            cost Decimal(76, 38), price Nullable(Float64), text Nullable(String), tags JSON,
            id UInt64 DEFAULT row_number * 10
        ) ENGINE = ReplacingMergeTree PARTITION BY (billing_month, snapshot_at)
        ORDER BY (billing_month, snapshot_at, row_number)
        """
    )
    clickhouse.execute("DROP TABLE IF EXISTS absent")
    settings = {"host": clickhouse.host, "port": clickhouse.port, "username": clickhouse.user, "password": PASSWORD}
    return Loader(loader_folder() / "target-clickhouse-arrow", tmp_path, settings)


def schema(stream: str = "bill") -> dict[str, Any]:
    """A SCHEMA that says string for every column: at its sight alone target-clickhouse would alter the table."""
    names = ("billing_month", "snapshot_at", "row_number", "cost", "price", "text", "tags")
    properties = {name: {"type": ["string", "null"]} for name in names}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": ["row_number"]}


def batch(*files: Path | str, stream: str = "bill") -> dict[str, Any]:
    """A BATCH of Arrow files."""
    manifest = [file.as_uri() if isinstance(file, Path) else file for file in files]
    return {"type": "BATCH", "stream": stream, "encoding": {"format": "arrow"}, "manifest": manifest}


def arrow_file(path: Path, rows: int = 3, **columns: pa.Array) -> Path:
    """Writes rows of `bill`, in several record batches, without `price`, `text` and `id`; `columns` replace or add."""
    usual = {
        "tags": pa.array(['{"app":"x"}'] * rows, pa.large_string()),
        "cost": pa.array(["123456789012.345678901234567890123456"] * rows).cast(pa.decimal256(76, 38)),
        "row_number": pa.array(range(rows), pa.uint64()),
        "snapshot_at": pa.array([1788257472345] * rows, pa.timestamp("ms", "UTC")),
        "billing_month": pa.array([20666] * rows, pa.int32()).cast(pa.date32()),
    }
    table = pa.table({**usual, **columns})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, rows // 4))
    return path
