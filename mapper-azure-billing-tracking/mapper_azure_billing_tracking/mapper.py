"""The Singer mapper: which messages come in, and what goes out in their place; `transform` says how rows change."""

from __future__ import annotations

import os
import sys
import time
from typing import IO, TYPE_CHECKING, Any, ClassVar

import polars as pl
import singer_sdk.singerlib as singer
from pydantic import ValidationError
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from azure_billing_warehouse.clickhouse import Connection
from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.setting_sentences import sentences, unreadable_files
from azure_billing_warehouse.tables import (
    AzureBillingDetail,
    BillingIssue,
    BillingMonth,
    BillTable,
    TaggingAudit,
)
from azure_billing_warehouse.wording import counted
from mapper_azure_billing_tracking.batches.arrow import ArrowReader, read_manifest
from mapper_azure_billing_tracking.batches.columns import COLUMNS, NOT_READ, UNREADABLE
from mapper_azure_billing_tracking.config import ProcessingConfig, config_jsonschema, unknown_variables, variable
from mapper_azure_billing_tracking.load_guard import LoadGuard
from mapper_azure_billing_tracking.memory import MemoryGuard
from mapper_azure_billing_tracking.months import MonthOutcomes
from mapper_azure_billing_tracking.pattern_source import PatternSource
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.sdk import InvalidInputLine, LineMapper, Lines
from mapper_azure_billing_tracking.signals import end_on_signals
from mapper_azure_billing_tracking.singer.batch_files import BatchFolder
from mapper_azure_billing_tracking.singer.drain import drain
from mapper_azure_billing_tracking.singer.leftovers import tidy_meltano
from mapper_azure_billing_tracking.singer.reader import LINE, LINE_NUMBER, USAGE, UsageReader, read_properties
from mapper_azure_billing_tracking.singer.writer import FrameWriter, record_lines
from mapper_azure_billing_tracking.stream_types import singer_schema, without_empty_columns
from mapper_azure_billing_tracking.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from mapper_azure_billing_tracking.batches.batch import UsageBatch
    from mapper_azure_billing_tracking.transform import Outcome

_FILE_BYTES = 32 * 2**20
"""Size in memory of the rows that came as RECORDs and make one Arrow file: ClickHouse prefers few large INSERTs."""


class MapperAzureBillingTracking(LineMapper):
    """Types, checks and tracks Azure usage details to applications, in frames of many rows."""

    name = "mapper-azure-billing-tracking"
    config_jsonschema: ClassVar[dict[str, Any]] = config_jsonschema(ProcessingConfig)
    capabilities: ClassVar[list[CapabilitiesEnum]] = [PluginCapabilities.ABOUT, PluginCapabilities.STRUCTURED_LOGGING]
    message_reader_class = UsageReader
    message_writer_class = FrameWriter

    @override
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for sentence in unknown_variables(os.environ):
            self.logger.warning("%s", sentence)
        self.settings = self._validated(dict(self.config))
        # A frame is a few MB: the streaming engine's threads would take longer to start than the queries to run.
        pl.Config.set_engine_affinity("in-memory")
        self._months = MonthOutcomes()
        self._transform = Transform(self.settings)
        clickhouse = self.settings.clickhouse
        self._connection = Connection(clickhouse) if clickhouse else None
        self._patterns = PatternSource(self.settings.patterns, clickhouse, connection=self._connection)
        self._guard = LoadGuard(clickhouse, self.settings, connection=self._connection) if clickhouse else None
        self._memory = MemoryGuard(
            self.settings.batch_size_rows, self.settings.memory_threshold_mb, self._transform.forget
        )
        self.message_reader = UsageReader(self.settings, self._memory.batch_size_rows)
        self._arrow = ArrowReader(self.settings)
        self._outcomes: list[Outcome] = []
        self._described: set[str] = set()
        self._started = time.monotonic()
        self._batches = BatchFolder(self.settings.batch_directory, self.settings.batch_directory_mb)
        end_on_signals(self.logger, self._batches.stop)

    @staticmethod
    def _validated(config: dict[str, Any]) -> ProcessingConfig:
        # A name that begins with `_` is one of Meltano's extras.
        ours = {name: value for name, value in config.items() if not name.startswith("_")}
        try:
            return ProcessingConfig.model_validate(ours)
        except ValidationError as error:
            errors = sentences(error, ProcessingConfig, variable, ours)
            raise ConfigValidationError("The configuration of the mapper is wrong.", errors=errors) from None

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the configuration files; one that can't be read is one sentence in the log and exit code 1."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            cls.logger.error("%s", unreadable_files(value, error))  # noqa: TRY400 - the sentence says it all
            ctx.exit(1)

    @classmethod
    @override
    def invoke(cls, *, file_input: IO[str] | None = None, **options: Any) -> None:
        """Run the mapper as a command; report an error that its operator can fix in one sentence.

        Args:
            file_input: The lines; standard input by default.
            options: As the SDK's command passes them.
        """
        tidy_meltano(sys.argv)
        try:
            super().invoke(file_input=file_input, **options)
        except (OperatorError, InvalidInputLine, ConfigValidationError) as error:
            try:
                if file_input is None:
                    drain(sys.stdin.fileno())
            finally:  # also where a signal ends it meanwhile
                sentence = " ".join([str(error), *getattr(error, "errors", [])])
                cls.logger.error("%s", sentence)  # noqa: TRY400 - the sentence says it all
            raise SystemExit(1) from error

    @override
    def map_schema_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Describe our streams in place of the usage and month streams; pass others on."""
        stream = message_dict["stream"]
        if stream == self.settings.stream:
            self._prepare()
            unknown = sorted(read_properties(message_dict[LINE]) - self._input_names())
            if unknown and AzureBillingDetail.table not in self._described:
                self.logger.info("Columns of %s that are not staged: %s.", stream, ", ".join(unknown))
            return [*self._gathered(), *self._describe(AzureBillingDetail, TaggingAudit, BillingIssue)]
        if stream == self.settings.month_stream:
            self._prepare()
            return [*self._gathered(), *self._describe(BillingMonth)]
        return [*self._gathered(), Lines(message_dict[LINE])]

    @override
    def map_record_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Transform a group of usage rows; close a month; pass other records on."""
        if USAGE in message_dict:
            return self._transformed(message_dict[USAGE], _FILE_BYTES)
        if message_dict["stream"] == self.settings.month_stream:
            line_number = message_dict[LINE_NUMBER]
            self._require_description(BillingMonth, f"Line {line_number} of the input")
            month = self._months.close(message_dict[LINE], line_number)
            if month is None:
                return self._gathered()
            if self._guard is not None:
                self._guard.close(month.row(0, named=True))
            return [*self._gathered(), self._rows(BillingMonth, month)]
        return [Lines(message_dict[LINE])]

    @override
    def map_state_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Pass a state on; everything read before it has left the reader before it."""
        return [*self._gathered(), Lines(message_dict[LINE], flush=True)]

    @override
    def map_activate_version_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Drop the versions of our streams, whose snapshots replace each other; pass others on."""
        ours = {self.settings.stream, self.settings.month_stream}
        return [] if message_dict["stream"] in ours else [Lines(message_dict[LINE])]

    @override
    def map_batch_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Transform the usage rows of Arrow files, which are deleted then; pass the batches of other streams on.

        Raises:
            InvalidInputLine: A batch of usage rows in another format, or of the month stream.
        """
        stream, place = message_dict["stream"], f"Line {message_dict[LINE_NUMBER]} of the input"
        if stream == self.settings.stream:
            return self._transformed_files(read_manifest(message_dict[LINE], place), place)
        if stream == self.settings.month_stream:
            raise InvalidInputLine(f"{place}: stream {stream} came as BATCH; the mapper reads it as RECORDs.")
        return [Lines(message_dict[LINE])]

    @override
    def end_of_input(self) -> None:
        """Write what is left, and say in the log what became of the run's rows."""
        for message in self._gathered():
            self.write_message(message)
        run = self._months.run
        if not run.received and not self._months.months:
            return
        seconds = time.monotonic() - self._started
        self.logger.info(
            "%s of %s: %d staged, %d rejected; %s (%s); %s in conflict at a cost of %.2f, "
            "unmatched cost %.2f; %.1f s, %.0f rows/s.",
            counted(run.received, "row"),
            counted(self._months.months, "month"),
            run.staged,
            run.rejected,
            counted(run.issues, "finding"),
            ", ".join(f"{rule} {count}" for rule, count in sorted(run.findings.items())) or "none",
            counted(run.conflicts, "row"),
            run.conflict_cost,
            run.unmatched_cost,
            seconds,
            run.received / seconds,
            extra={"seconds": seconds, "months": self._months.months, **vars(run)},
        )

    def _prepare(self) -> None:
        """Create the tables, read the patterns and check the months, once, before the target sees a schema."""
        if self._described:
            return
        if self.settings.output != "records":
            self._batches.remove_leftovers()
        if self._guard is not None:
            self._guard.make_tables()
        self._refresh_patterns()
        if self._guard is not None:
            self._guard.start()

    def _refresh_patterns(self) -> None:
        if self._patterns.is_due():
            self._transform.track_with(ResourceTrackingEngine(self._patterns.read()))

    def _describe(self, *tables: type[BillTable]) -> Iterator[singer.Message]:
        for table in tables:
            if table.table not in self._described:
                self._described.add(table.table)
                yield singer.SchemaMessage(table.table, singer_schema(table), list(table.key_properties))

    def _require_description(self, table: type[BillTable], place: str) -> None:
        if table.table not in self._described:
            raise InvalidInputLine(f"{place} is a record before its SCHEMA.")

    def _transformed(self, batch: UsageBatch, file_bytes: int = 0) -> Iterator[singer.Message]:
        """Transform rows; write them with those before, once they are as large as an Arrow file should be."""
        self._require_description(AzureBillingDetail, batch.place)
        self._refresh_patterns()
        outcome = self._transform(batch)
        if self._guard is not None:
            self._guard.claim(outcome.tallies)
        self._months.add(outcome.tallies)
        self._outcomes.append(outcome)
        gathered = sum(outcome.staged.estimated_size() for outcome in self._outcomes)
        if gathered >= file_bytes or self.settings.output != "arrow":
            yield from self._gathered()

    def _gathered(self) -> Iterator[singer.Message]:
        """Write the rows that were transformed since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        for table, frames in (
            (AzureBillingDetail, [outcome.staged for outcome in outcomes]),
            (TaggingAudit, [outcome.audit for outcome in outcomes]),
            (BillingIssue, [outcome.issues for outcome in outcomes]),
        ):
            if any(frame.height for frame in frames):
                yield self._rows(table, pl.concat(frames, rechunk=True))

    def _transformed_files(self, paths: Iterable[Path], place: str) -> Iterator[singer.Message]:
        for path in paths:
            self._batches.require_inside(path)
            for batch in self._arrow.read(path, place, self._memory.most_rows()):
                yield from self._transformed(batch)
            path.unlink()

    def _rows(self, table: type[BillTable], frame: pl.DataFrame) -> singer.Message:
        frame = without_empty_columns(table, frame)
        if self.settings.output == "records":
            return record_lines(table, frame)
        return self._batches.write(table, frame, self.settings.output)

    def _input_names(self) -> set[str]:
        return {self.settings.columns.get(name, name) for name in COLUMNS} | {*NOT_READ, UNREADABLE}
