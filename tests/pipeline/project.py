"""The Meltano project as a user runs it: real processes against the simulated API and the embedded ClickHouse."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.launch import Api, ClickHouse

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
ENROLLMENT = "88888888"
PIPELINE = ("run", "tap-azure-ea-billing", "mapper", "target-clickhouse")


@dataclass
class Project:
    """The project with a bill and a database of its own.

    Attributes:
        api: The simulated API.
        clickhouse: The embedded ClickHouse.
        folder: Where Meltano's state is kept.
        database: The database of the tables.
        settings: Environment variables beside those of the two servers.
    """

    api: Api
    clickhouse: ClickHouse
    folder: Path
    database: str = "default"
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **settings: str) -> dict[str, str]:
        """The variables of a run: nothing of the caller's own pipeline."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TAP_", "TARGET_", "MAPPER_", "CLICKHOUSE_", "MELTANO_"))
        }
        return {
            **inherited,
            "CLICKHOUSE_HOST": self.clickhouse.host,
            "CLICKHOUSE_PORT": str(self.clickhouse.port),
            "CLICKHOUSE_USER": self.clickhouse.user,
            "CLICKHOUSE_PASSWORD": self.clickhouse.password,
            "CLICKHOUSE_DATABASE": self.database,
            "MELTANO_CLI_LOG_FORMAT": "uncolored",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
            "TAP_AZURE_EA_BILLING_API_URL": self.api.url,
            "TAP_AZURE_EA_BILLING_API_KEY": self.api.key(ENROLLMENT),
            "TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER": ENROLLMENT,
            **self.settings,
            **settings,
        }

    def start_meltano(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Meltano in a process group of its own."""
        return subprocess.Popen(
            [PROGRAMS / "meltano", *arguments],
            cwd=ROOT,
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def meltano(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Meltano, to its end."""
        process = self.start_meltano(*arguments, **settings)
        output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def start_pipeline(self, **settings: str) -> subprocess.Popen[str]:
        """The literal command, in a process group of its own."""
        return self.start_meltano(*PIPELINE, **settings)

    def start_and_hold(self) -> subprocess.Popen[str]:
        """The literal command, held by the API in mid-month, when mapper and loader read what the tap has written."""
        self.api.set_faults(["timeout=600@3-999"])
        process = self.start_pipeline()
        assert process.stdout is not None
        awaited = {"tracking patterns from", "is listening for input"}
        for line in process.stdout:
            awaited = {phrase for phrase in awaited if phrase not in line}
            if not awaited:
                return process
        raise AssertionError("it ended before")

    def pipeline(self, **settings: str) -> subprocess.CompletedProcess[str]:
        """The literal command, to its end."""
        return self.meltano(*PIPELINE, **settings)

    def pipeline_after_a_kill(self) -> subprocess.CompletedProcess[str]:
        """The command again, at once: Meltano holds a killed run for running for five minutes."""
        return self.meltano("run", "--force", *PIPELINE[1:])

    def load(self, **settings: str) -> str:
        """The literal command, which must succeed; what it printed."""
        ended = self.pipeline(**settings)
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def warehouse(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The command azure-billing-warehouse, to its end."""
        return subprocess.run(
            [PROGRAMS / "azure-billing-warehouse", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def import_patterns(self, patterns: Sequence[tuple[int, str]]) -> None:
        """Replace the patterns, ids and texts, by `patterns import`."""
        path = self.folder / "patterns.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "resource_tracking"), *patterns])
        ended = self.warehouse("patterns", "import", path)
        assert ended.returncode == 0, ended.stderr

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query on the project's database; tables are named with `{db}.` before them."""
        return self.clickhouse.query(sql.replace("{db}", self.database))

    def published(self) -> dict[str, tuple[int, float]]:
        """Rows and cost of each month (YYYY-MM) in the view."""
        return {
            row["month"]: (int(row["rows"]), row["cost"])
            for row in self.query(
                "SELECT formatDateTime(billing_month, '%Y-%m') AS month, toUInt32(count()) AS rows, "
                "sumKahan(extended_cost) AS cost FROM {db}.azure_billing_detail GROUP BY month ORDER BY month"
            )
        }
