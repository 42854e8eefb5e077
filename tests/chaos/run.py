"""Runs the pipeline against servers of the test's own: the literal command, or its three programs in a pipe."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import yaml
from chaos.bill import BATCH_SIZE, BILL, ENROLLMENT, MONTHS
from chaos.faults import HookedPlan, Strikes, clock_environment, members
from chaos.schedule import Step
from click.testing import CliRunner
from pipeline.project import PROGRAMS, ROOT

from azure_billing_warehouse.cli import main as warehouse
from sandbox.api.faults import FaultPlan
from sandbox.api.keys import make_key
from sandbox.api.server import ApiServer, Ledger
from sandbox.api.store import PageStore
from sandbox.bill.generator import example_patterns
from sandbox.clickhouse.proxy import Proxy
from sandbox.launch import RestartableClickHouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.api.faults import Fault

PASSWORD = "correct-horse-battery"  # noqa: S105 - of the test's own server
TAP_SETTINGS = {
    "start_date": f"{MONTHS[0]}-01",
    "end_date": f"{MONTHS[-1]}-28",
    "restatement_days": 36_500,
    "max_retries": 2,
    "max_backoff": 0.05,
    "request_timeout": 5,
}
_LOOK_SECONDS = 0.05
END_SECONDS = 300
"""A run that takes longer hangs; a usual one takes 3 to 10 s, on a machine that has other work to do ten times that."""


class World:
    """What the schedules of one process share: a ClickHouse that may be killed, and rendered pages.

    Args:
        folder: for both.
    """

    def __init__(self, folder: Path) -> None:
        """Start ClickHouse."""
        self.folder = folder
        self.server = RestartableClickHouse(folder / "clickhouse", password=PASSWORD)
        self.store = PageStore(folder)

    def close(self) -> None:
        """Stop it."""
        self.server.stop()


@dataclass
class Ended:
    """How a run ended.

    Attributes:
        codes: exit codes; of two runs at once there are two.
        output: all that was printed.
        hung: whether it had to be ended.
        hits: kinds of the faults that struck.
        emptied: months that the API said were empty.
    """

    codes: list[int]
    output: str
    hung: bool = False
    hits: list[str] = field(default_factory=list)
    emptied: set[str] = field(default_factory=set)


class Site:
    """The database, servers, project and state of one schedule.

    Args:
        world: what it shares with others.
        name: of its database and folder.
        literal: whether Meltano runs the pipeline.
    """

    def __init__(self, world: World, name: str, *, literal: bool) -> None:
        """Start the API, make the tables, import patterns."""
        self.world = world
        self.database = name
        self.literal = literal
        self.folder = world.folder / name
        self.key = make_key(ENROLLMENT, days=3650)
        self.ledger = Ledger({ENROLLMENT: BILL}, {ENROLLMENT: MONTHS}, world.store, FaultPlan([], 0), 0)
        self._stack = ExitStack()
        self._api = self._serve()
        self.proxy = Proxy(world.server.clickhouse, on_death=world.server.kill, revive=self._revive)
        self._stack.callback(self.proxy.close)
        self._make_project()
        for arguments in (("create",), ("patterns", "import", str(self._patterns()))):
            code, said = self.warehouse(*arguments)
            assert code == 0, said

    def close(self) -> None:
        """Stop the servers, and drop the database."""
        self._stack.close()
        self.world.server.clickhouse.execute(f"DROP DATABASE IF EXISTS {self.database}")

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query, past the proxy; tables are named with `{db}.` before them."""
        return self.world.server.clickhouse.query(sql.replace("{db}", self.database))

    def restate(self, month: str) -> None:
        """Serve the next revision of a month from now on."""
        self.ledger.set_revision(ENROLLMENT, month, self.revision(month) + 1)

    def revision(self, month: str) -> int:
        """The revision of a month that is served."""
        return self.ledger.revisions.get((ENROLLMENT, month), 0)

    def warehouse(self, *arguments: str) -> tuple[int, str]:
        """The command azure-billing-warehouse, in this process, past the proxy: exit code and output."""
        server = self.world.server.clickhouse
        environment = {
            **dict.fromkeys(name for name in os.environ if name.startswith(("CLICKHOUSE_", "AZURE_BILLING_"))),
            "CLICKHOUSE_HOST": server.host,
            "CLICKHOUSE_PORT": str(server.port),
            "CLICKHOUSE_USER": server.user,
            "CLICKHOUSE_PASSWORD": PASSWORD,
            "CLICKHOUSE_DATABASE": self.database,
            "AZURE_BILLING_FIRST_MONTH": MONTHS[0],
            "AZURE_BILLING_LAST_MONTH": MONTHS[-1],
        }
        result = CliRunner().invoke(warehouse, arguments, env=environment)
        output = result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            output += f"\nTraceback: {result.exception!r}"
        return result.exit_code, output

    def run(self, step: Step, *, force: bool = False) -> Ended:
        """One run of the pipeline, or two at once, with the faults of a step; returns when no process is left.

        Args:
            step: the faults.
            force: whether Meltano is to run though it holds another run for running.
        """
        strikes = Strikes(step)
        ended = Ended([], "", hits=strikes.hits)
        self._arm(strikes, ended)
        finished = threading.Event()
        strikes.watch_files(self._batches, finished)
        clock = clock_environment(step, self.world.folder)
        two = any(strike.family == "two" for strike in step.strikes)
        try:
            runs = [self._start(name, clock, force=force) for name in (("", "two") if two else ("",))]
            strikes.group = runs[0].group
            for run in runs:
                run.wait(ended)
        finally:
            finished.set()
        if two:
            strikes.note("two runs")
        if clock:
            strikes.note(next(strike.kind for strike in step.strikes if strike.family == "clock"))
        assert self.proxy.wait_until_open(60), "ClickHouse did not start again"
        self._arm(Strikes(Step()), Ended([], ""))
        return ended

    def _arm(self, strikes: Strikes, ended: Ended) -> None:
        def served(fault: Fault) -> None:
            if fault.month:
                ended.emptied.add(fault.month)
            strikes.note_spec(fault.kind, ("month",) if fault.month else ("api",))

        specs = strikes.specs("api", "month")
        self.ledger.plan = HookedPlan(specs, lambda number: strikes.reached("api", number), served)

        def asked(number: int, insert: int) -> None:
            strikes.reached("clickhouse", number)
            if insert:
                strikes.reached("insert", insert)

        self.proxy.on_request = asked
        self.proxy.on_fault = lambda kind: strikes.note_spec(kind, ("clickhouse",))
        self.proxy.set_faults(strikes.specs("clickhouse"))

    def _start(self, name: str, clock: dict[str, str], *, force: bool) -> _Run:
        environment = self._environment(name) | clock
        if self.literal:
            options = [
                "--no-install",
                *(["--force"] if force else []),
                *([f"--state-id-suffix={name}"] if name else []),
            ]
            return _meltano(["run", *options, *_BLOCK], self._project, environment)
        return _pipe(_Configs(self._project, environment, self.folder / f"configs{name}").written(), environment)

    def _environment(self, name: str) -> dict[str, str]:
        ours = ("TAP_", "TARGET_", "MAPPER_", "CLICKHOUSE_", "MELTANO_", "AZURE_BILLING_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {
            **inherited,
            "CLICKHOUSE_HOST": "127.0.0.1",
            "CLICKHOUSE_PORT": str(self.proxy.port),
            "CLICKHOUSE_USER": "default",
            "CLICKHOUSE_PASSWORD": PASSWORD,
            "CLICKHOUSE_DATABASE": self.database,
            "MELTANO_CLI_LOG_FORMAT": "uncolored",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
            "MELTANO_PROJECT_ROOT": str(self._project),
            "MELTANO_SYS_DIR_ROOT": str(self._system_folder(name)),
            "TAP_AZURE_EA_BILLING_API_URL": f"http://127.0.0.1:{self._api.server_port}/rest",
            "TAP_AZURE_EA_BILLING_API_KEY": self.key,
            "TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER": ENROLLMENT,
        }

    @property
    def _project(self) -> Path:
        return self.folder / "project"

    @property
    def _batches(self) -> Path:
        return self._project / ".meltano" / "run" / "batches"

    def _make_project(self) -> None:
        """A project of the schedule's own, so that schedules share nothing but the installed programs."""
        self._batches.mkdir(parents=True)
        project = yaml.safe_load((ROOT / "meltano.yml").read_text())
        (tap,) = project["plugins"]["extractors"]
        tap["config"] = tap.get("config", {}) | TAP_SETTINGS
        (mapper,) = project["plugins"]["mappers"]
        mapper["mappings"][0]["config"]["batch_size_rows"] = BATCH_SIZE
        (self._project / "meltano.yml").write_text(yaml.safe_dump(project, sort_keys=False))

    def _system_folder(self, name: str) -> Path:
        """Meltano's folder `.meltano`, another one for a run beside another, with the programs that are installed."""
        folder = self._project / f".meltano{name}"
        folder.mkdir(exist_ok=True)
        for plugins in _PLUGINS:
            with suppress(FileExistsError):
                (folder / plugins).symlink_to(ROOT / ".meltano" / plugins)
        return folder

    def _patterns(self) -> Path:
        path = self.folder / "patterns.csv"
        lines = [f"{number},{text}\n" for number, text in example_patterns()]
        path.write_text("".join(["id,resource_tracking\n", *lines]))
        return path

    def _serve(self) -> ApiServer:
        server, decoy = ApiServer(0, self.ledger), ApiServer(0, self.ledger)
        self.ledger.decoy_port = decoy.server_port
        for each in (server, decoy):
            threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True).start()
            self._stack.callback(each.server_close)
            self._stack.callback(each.shutdown)
            self._stack.callback(each.ended.set)
        return server

    def _revive(self) -> None:
        self.proxy.upstream = self.world.server.start()


_BLOCK = ("tap-azure-ea-billing", "mapper", "target-clickhouse")
_PLUGINS = ("extractors", "loaders", "mappers", "utilities")


class _Run:
    """A pipeline that runs.

    Args:
        processes: all in one process group, that of the first.
        log: what they print.
        on_state: takes the lines of the loader's output, if nobody else does.
    """

    def __init__(
        self,
        processes: list[subprocess.Popen[bytes]],
        log: IO[bytes],
        states: IO[bytes] | None = None,
        on_state: Callable[[bytes], None] = lambda _line: None,
    ) -> None:
        self._processes = processes
        self.group = processes[0].pid
        self._printed: list[bytes] = []
        self._readers = [threading.Thread(target=self._read, args=(log, self._printed.append), daemon=True)]
        if states is not None:
            self._readers.append(threading.Thread(target=self._read, args=(states, on_state), daemon=True))
        for reader in self._readers:
            reader.start()

    def wait(self, ended: Ended) -> None:
        """Wait until every process is gone, and add exit code and output."""
        deadline = threading.Event()
        timer = threading.Timer(END_SECONDS, self._end, (deadline,))
        timer.start()
        codes = [process.wait() for process in self._processes]
        for reader in self._readers:
            reader.join()
        while members(self.group):  # of a killed Meltano its programs are left, and go on for a while
            time.sleep(_LOOK_SECONDS)
        timer.cancel()
        ended.codes.append(next((code for code in codes if code), 0))
        ended.output += b"".join(self._printed).decode(errors="replace")
        ended.hung = ended.hung or deadline.is_set()

    def _end(self, deadline: threading.Event) -> None:
        deadline.set()
        for process in members(self.group):
            process.send_signal(signal.SIGKILL)

    @staticmethod
    def _read(stream: IO[bytes], take: Callable[[bytes], None]) -> None:
        with stream:
            for line in stream:
                take(line)


def _meltano(arguments: list[str], project: Path, environment: dict[str, str]) -> _Run:
    process = subprocess.Popen(
        [PROGRAMS / "meltano", *arguments],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    assert process.stdout is not None
    return _Run([process], process.stdout)


def _pipe(configs: _Configs, environment: dict[str, str]) -> _Run:
    """The three programs, with state kept as Meltano keeps it: each STATE of the loader replaces the one before."""
    reading, writing = os.pipe()
    processes: list[subprocess.Popen[bytes]] = []
    source: int | IO[bytes] = subprocess.DEVNULL
    for command in configs.commands:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=writing,
            process_group=processes[0].pid if processes else 0,
        )
        if not isinstance(source, int):
            source.close()
        assert process.stdout is not None
        processes.append(process)
        source = process.stdout
    os.close(writing)
    assert not isinstance(source, int)
    return _Run(processes, os.fdopen(reading, "rb"), source, configs.keep_state)


class _Configs:
    """The three programs' configuration files, as Meltano would write them, and the state beside them.

    Args:
        project: the folder of meltano.yml.
        environment: the variables that it names.
        folder: where the files are.
    """

    def __init__(self, project: Path, environment: dict[str, str], folder: Path) -> None:
        self._plugins = yaml.safe_load((project / "meltano.yml").read_text())["plugins"]
        self._environment = environment
        self._folder = folder
        self.state = folder / "state.json"
        self.commands: list[list[str | Path]] = []

    def written(self) -> _Configs:
        """Write the files."""
        self._folder.mkdir(exist_ok=True)
        (tap,), (mapper,), (loader,) = (self._plugins[kind] for kind in ("extractors", "mappers", "loaders"))
        prefix = "TAP_AZURE_EA_BILLING_"
        secrets = {
            name.removeprefix(prefix).lower(): value
            for name, value in self._environment.items()
            if name.startswith(prefix)
        }
        state: list[str | Path] = ["--state", self.state] if self.state.exists() else []
        self.commands = [
            [*self._command("extractors", tap, self._expanded(tap["config"]) | secrets), *state],
            self._command("mappers", mapper, self._expanded(mapper["mappings"][0]["config"])),
            self._command("loaders", loader, self._loader(loader)),
        ]
        return self

    def keep_state(self, line: bytes) -> None:
        """Keep what the loader says."""
        with suppress(ValueError):
            json.loads(line)  # a killed loader may leave half a line
            part = self.state.with_suffix(".part")
            part.write_bytes(line)
            part.replace(self.state)

    def _command(self, kind: str, plugin: dict[str, Any], config: dict[str, Any]) -> list[str | Path]:
        path = self._folder / f"{plugin['name']}.json"
        path.write_text(json.dumps(config))
        program = ROOT / ".meltano" / kind / plugin["name"] / "venv" / "bin" / plugin["executable"]
        return [program, "--config", path]

    def _loader(self, loader: dict[str, Any]) -> dict[str, Any]:
        whole = {entry["name"] for entry in loader["settings"] if entry.get("kind") == "integer"}
        config = self._expanded(loader["config"])
        return {name: int(value) if name in whole else value for name, value in config.items() if value != ""}

    def _expanded(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._expanded(entry) for name, entry in value.items()}
        if not isinstance(value, str):
            return value
        return re.sub(r"\$(\w+)", lambda named: self._environment.get(named[1], ""), value)


def keep(site: Site, folder: Path) -> None:
    """Copy a schedule's files, and its tables as lines of JSON, into a folder that stays."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(site.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(*_PLUGINS))
    for row in site.query("SELECT name FROM system.tables WHERE database = '{db}' AND engine != 'View'"):
        lines = [json.dumps(each) for each in site.query(f"SELECT * FROM {{db}}.{row['name']}")]  # noqa: S608 - ours
        (folder / f"{row['name']}.jsonl").write_text("\n".join(lines))
