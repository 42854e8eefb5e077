"""The settings of the mapper, as Pydantic models; nothing is read or connected here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path  # noqa: TC003 - Pydantic reads the annotations at run time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from azure_billing_warehouse.config import (
    MAX_CLOCK_SKEW,
    ClickHouseConfig,
    Settings,
    clickhouse_variable,
    read_months,
)
from azure_billing_warehouse.patterns.table import read_name
from azure_billing_warehouse.setting_sentences import unknown_name
from mapper_azure_billing_tracking.batches.columns import COLUMNS
from mapper_azure_billing_tracking.sdk import resolve_schema_references

if TYPE_CHECKING:
    from collections.abc import Iterable


class PatternsConfig(Settings):
    """Where the tracking patterns come from, and what happens when they can't be read."""

    source: Literal["clickhouse", "csv"] = Field(
        "clickhouse", title="Source", description="Where the tracking patterns are: `clickhouse` or `csv`."
    )
    table: str = Field(
        "d_application_tag",
        title="Table",
        description=(
            "Table with the columns id and resource_tracking, in the database of `clickhouse` or in the one before the "
            "dot: `dbo.d_application_tag`. A name that has a dot in it is written within backquotes."
        ),
    )
    path: Path | None = Field(
        None, title="CSV file", description="CSV file with these columns, separated by commas, semicolons or tabs."
    )
    required: bool = Field(
        default=True,
        title="Required",
        description=(
            "Stop where there is no pattern, or nowhere to read one from. `false`: go on, and track every row to its "
            "own resource."
        ),
    )
    cache_path: Path | None = Field(None, title="Cache file", description="File that keeps the last patterns read.")
    refresh_seconds: float = Field(
        3600, title="Refresh", description="A running mapper reads the patterns again after this time.", gt=0
    )
    on_unavailable: Literal["fail", "cache"] = Field(
        "fail",
        title="When unavailable",
        description=(
            "`cache`: when ClickHouse can't be reached, go on with the cached patterns and a warning that "
            "says how old they are. Tables, clocks and months are then compared once it can be reached: the target "
            "may write somewhere else."
        ),
    )

    @field_validator("table")
    @classmethod
    def _readable_name(cls, table: str) -> str:
        read_name(table)
        return table


TAG_COLUMNS = {
    "app": "cmdb_mapped_application_service",
    "ppm_billing_item": "ppm_billing_item",
    "ppm_billing_owner": "ppm_id_owner",
    "ppm_io_cc": "ppm_io_cc",
}


class ProcessingConfig(Settings):
    """The settings of the mapper."""

    stream: str = Field("usage_details", title="Stream", description="Stream of the usage rows.")
    month_stream: str = Field(
        "billing_months", title="Month stream", description="Stream whose rows say that a month is complete."
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        title="Input columns",
        description="Our name of a column -> its name in the stream.",
    )
    output: Literal["records", "jsonl", "arrow"] = Field(
        "records",
        title="Output",
        description=(
            "`records` works with every target; `jsonl` and `arrow` write BATCH files. `arrow` is the "
            "fastest and needs a target that reads it."
        ),
    )
    batch_directory: Path | None = Field(
        None,
        title="Batch directory",
        description=(
            "Folder of the BATCH files, the temporary folder of the system by default: each run has a "
            "folder of its own in it, for this user only. The target deletes Arrow files that it has "
            "read; what dead runs left is removed at the next start."
        ),
    )
    batch_directory_mb: float = Field(
        1024,
        title="Batch directory's limit",
        description="Arrow files in MB that the target hasn't deleted, above which the mapper waits for it.",
        gt=0,
    )
    batch_size_rows: int = Field(8_000, title="Batch size", description="Rows of a frame.", ge=1, le=1_000_000)
    batch_size_mb: float = Field(
        24,
        title="Batch size in MB",
        description=(
            "Bytes in MB of a frame's records, where these come first: rows with long tags make smaller frames."
        ),
        gt=0,
    )
    max_line_mb: float = Field(32, title="Longest line", description="A longer line of the input is an error.", gt=0)
    memory_threshold_mb: int = Field(
        450,
        title="Memory threshold",
        description=(
            "Above this resident memory frames get smaller, with a warning; below half of it they grow again."
        ),
        ge=1,
    )
    tax_rate: float = Field(
        0.06, title="Tax rate", description="Tax as a part of the cost (R6).", ge=0, allow_inf_nan=False
    )
    missing_instance_id: Literal["quarantine", "keep"] = Field(
        "quarantine",
        title="Missing instance id",
        description="Usage rows without an instance id are rejected; `keep` stages them with a warning (R7).",
    )
    tag_columns: dict[str, str] = Field(
        default_factory=lambda: dict(TAG_COLUMNS), title="Tag columns", description="Tag -> column that it fills (R9)."
    )
    create_tables: bool = Field(
        default=True,
        title="Create tables",
        description=(
            "Create missing tables and views, and refuse tables that can't hold the bill, where `clickhouse` is set."
        ),
    )
    patterns: PatternsConfig = Field(
        default_factory=PatternsConfig, title="Patterns", description="Where the tracking patterns come from (R16)."
    )
    accept_empty_months: str = Field(
        "",
        title="Accept empty months",
        description=(
            "Months (`2026-08,2026-09`) that had rows in the warehouse and really became empty; of any "
            "other a month row without rows stops the run."
        ),
    )
    max_clock_skew: float = Field(
        MAX_CLOCK_SKEW,
        title="Clock skew",
        description=(
            "Seconds by which this machine's clock may differ from ClickHouse's, and a snapshot be later "
            "than it, where `clickhouse` is set."
        ),
        ge=0,
        allow_inf_nan=False,
    )
    clickhouse: ClickHouseConfig | None = Field(
        None, title="ClickHouse", description="Where the patterns are read and the tables are made."
    )

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(columns) - set(COLUMNS)):
            raise ValueError(f"no column that the mapper reads: {', '.join(unknown)}; those are {', '.join(COLUMNS)}")
        names = Counter(columns.get(column, column) for column in COLUMNS)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"more than one column would be read from {', '.join(twice)}")
        return columns

    @field_validator("tag_columns")
    @classmethod
    def _known_tag_columns(cls, tag_columns: dict[str, str]) -> dict[str, str]:
        known = set(TAG_COLUMNS.values())
        if unknown := sorted(set(tag_columns.values()) - known):
            raise ValueError(f"no column for a tag: {', '.join(unknown)}; those are {', '.join(sorted(known))}")
        if len(set(tag_columns.values())) < len(tag_columns):
            raise ValueError("two tags would fill the same column")
        return tag_columns

    @field_validator("accept_empty_months")
    @classmethod
    def _months(cls, months: str) -> str:
        read_months(months)
        return months

    @field_validator("month_stream")
    @classmethod
    def _another_stream(cls, month_stream: str, info: ValidationInfo) -> str:
        if month_stream == info.data.get("stream"):
            raise ValueError("this is the stream of the usage rows")
        return month_stream


ENVIRONMENT_PREFIX = "MAPPER_AZURE_BILLING_TRACKING_"


def variable(setting: str) -> str:
    """Return the environment variable that a setting comes from in the Meltano project: `meltano.yml` names them.

    Args:
        setting: The setting's name, after that of its group and a dot if it is in one.
    """
    group, _, name = setting.partition(".")
    if group == "clickhouse" and name:
        return clickhouse_variable(name)
    if setting == "accept_empty_months":
        return "TAP_AZURE_EA_BILLING_ACCEPT_EMPTY_MONTHS"
    return ENVIRONMENT_PREFIX + setting.replace(".", "_").upper()


def unknown_variables(variables: Iterable[str]) -> list[str]:
    """Return a sentence for each environment variable with the mapper's prefix that names no setting.

    Meltano hands on variables of its own besides, which begin with one more `_`.
    """
    groups: dict[str, type[Settings]] = {"patterns": PatternsConfig, "clickhouse": ClickHouseConfig}
    known = {*ProcessingConfig.model_fields, "loglevel"} | {
        f"{group}_{name}" for group, model in groups.items() for name in model.model_fields
    }
    names = [name.removeprefix(ENVIRONMENT_PREFIX) for name in variables if name.startswith(ENVIRONMENT_PREFIX)]
    return [
        f"The environment variable {ENVIRONMENT_PREFIX}{name} is no setting of the mapper: "
        + unknown_name(name, known, lambda near: ENVIRONMENT_PREFIX + near.upper())
        for name in names
        if name.lower() not in known and not name.startswith("_")
    ]


def config_jsonschema(model: type[Settings]) -> dict[str, Any]:
    """Return the JSON schema of a plugin's settings, as the SDK's `--about` needs it: no references, secrets marked.

    Args:
        model: The model of the settings.
    """
    schema = _plain(resolve_schema_references(model.model_json_schema()))
    schema.pop("$defs", None)
    return schema


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with null removed from its types and defaults: an optional setting is absent, never null.

    Numbers and booleans may also be text, as environment variables are.
    """
    if "anyOf" in schema:
        (kind,) = (kind for kind in schema.pop("anyOf") if kind.get("type") != "null")
        schema = {**kind, **schema}
    if schema.get("default", ...) is None:
        del schema["default"]
    if schema.get("type") in {"integer", "number", "boolean"}:
        schema["type"] = [schema["type"], "string"]
    if schema.get("format") == "password":
        schema["secret"] = True
    if "properties" in schema:
        schema["properties"] = {name: _plain(entry) for name, entry in schema["properties"].items()}
    return schema
