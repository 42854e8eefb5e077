"""The settings of the mapper and of the warehouse commands, as Pydantic models; nothing is read or connected here."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from pathlib import Path  # noqa: TC003 - Pydantic reads the annotations at run time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from singer_sdk.singerlib.schema import resolve_schema_references

from mapper_azure_billing_tracking.usage import COLUMNS

MAX_CLOCK_SKEW: float = 300
"""Seconds by which two clocks may differ, and a snapshot be later than ClickHouse's clock."""


_MONTH = re.compile(r"\d{4}-\d{2}")


class Settings(BaseModel):
    """Base of all settings: an unknown name is an error, an empty value is unset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _unset_if_empty(cls, settings: Any) -> Any:  # noqa: ANN401 - whatever the configuration holds
        """Meltano passes an unset environment variable on as an empty string."""
        if isinstance(settings, dict):
            return {name: value for name, value in settings.items() if value != ""}
        return settings


class ClickHouseConfig(Settings):
    """Where ClickHouse is, and what its tables are like."""

    host: str = Field("localhost", title="Host", description="Host of ClickHouse's HTTP interface.")
    port: int = Field(8123, title="Port", description="Port of the HTTP interface.", ge=1, le=65535)
    username: str = Field("default", title="User", description="User who may create and read the tables.")
    password: SecretStr = Field(SecretStr(""), title="Password", description="Password of the user.")
    database: str = Field("default", title="Database", description="Database of the staging tables.", min_length=1)
    secure: bool = Field(default=False, title="TLS", description="Whether to connect by HTTPS.")
    verify: bool = Field(default=True, title="Verify", description="Whether to verify the server's certificate.")
    ca_cert: Path | None = Field(
        None,
        title="CA file",
        description="File with the certificates (PEM) of the authorities to trust, instead of the system's.",
    )
    json_type: Literal["JSON", "String"] = Field(
        "JSON", title="JSON type", description="Type of the columns tags and additional_info."
    )
    cluster: str | None = Field(
        None,
        title="Cluster",
        description="Cluster on which the tables are made: ON CLUSTER, Replicated engines, a Distributed table.",
    )
    keeper_path: str = Field(
        "/clickhouse/tables/{shard}",
        title="Keeper path",
        description="Path in Keeper below which a cluster's replicated tables are; it has the macro `{shard}`.",
    )

    @field_validator("database")
    @classmethod
    def _writable_name(cls, database: str) -> str:
        """Programs that know nothing of quotes in names write it into statements and addresses too."""
        if not database.isprintable() or set(database) & set("'\"`\\"):
            raise ValueError("it has a quote, a backslash or a control character")
        return database

    @field_validator("keeper_path")
    @classmethod
    def _path_by_shard(cls, path: str) -> str:
        """Tables with one path are replicas of each other, so that shards need paths of their own."""
        if not path.startswith("/") or path.endswith("/") or "{shard}" not in path or "{uuid}" in path:
            raise ValueError("it must begin with /, not end with it, have {shard} and not have {uuid}")
        return path


class PatternsConfig(Settings):
    """Where the tracking patterns come from, and what happens when they can't be read."""

    source: Literal["clickhouse", "csv"] = Field(
        "clickhouse", title="Source", description="The table in ClickHouse, or a CSV file with its columns."
    )
    table: str = Field("d_application_tag", title="Table", description="Table with columns id, resource_tracking.")
    path: Path | None = Field(None, title="CSV file", description="File with the columns id and resource_tracking.")
    cache_path: Path | None = Field(
        None, title="Cache file", description="File that keeps the last patterns read; none is kept without it."
    )
    refresh_seconds: float = Field(
        3600, title="Refresh", description="Seconds after which a running mapper reads the patterns again.", gt=0
    )
    on_unavailable: Literal["fail", "cache"] = Field(
        "fail", title="When unavailable", description="Stop, or go on with the cached patterns and a warning."
    )


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
        description="Our name of a column -> its name in the stream, where it is another.",
    )
    output: Literal["records", "jsonl", "arrow"] = Field(
        "records", title="Output", description="RECORD messages, or BATCH files in JSON lines or Arrow."
    )
    batch_directory: Path | None = Field(
        None,
        title="Batch directory",
        description="Folder of the runs' BATCH files; the system's temporary one by default.",
    )
    batch_directory_mb: float = Field(
        1024,
        title="Batch directory's limit",
        description="Arrow files in MB that the target hasn't deleted, above which the mapper waits for it.",
        gt=0,
    )
    batch_size_rows: int = Field(8_000, title="Batch size", description="Rows of a frame.", ge=1, le=1_000_000)
    batch_size_mb: float = Field(
        24, title="Batch size in MB", description="Bytes in MB of a frame's records, if these come first.", gt=0
    )
    max_line_mb: float = Field(
        32, title="Longest line", description="Length in MB above which a line of the input is an error.", gt=0
    )
    memory_threshold_mb: int = Field(
        450, title="Memory threshold", description="Memory in MB above which frames get smaller.", ge=1
    )
    tax_rate: float = Field(
        0.06, title="Tax rate", description="Tax as a part of cost (R6).", ge=0, allow_inf_nan=False
    )
    missing_instance_id: Literal["quarantine", "keep"] = Field(
        "quarantine",
        title="Missing instance id",
        description="Reject usage rows without an instance id, or keep them (R7).",
    )
    tag_columns: dict[str, str] = Field(
        default_factory=lambda: dict(TAG_COLUMNS), title="Tag columns", description="Tag -> column that it fills (R9)."
    )
    create_tables: bool = Field(
        default=True,
        title="Create tables",
        description="Create and check the tables, where clickhouse is set.",
    )
    patterns: PatternsConfig = Field(
        default_factory=PatternsConfig, title="Patterns", description="Where the tracking patterns come from (R16)."
    )
    accept_empty_months: str = Field(
        "",
        title="Accept empty months",
        description="Months (`2026-08,2026-09`) that had rows in the warehouse and really became empty.",
    )
    max_clock_skew: float = Field(
        MAX_CLOCK_SKEW,
        title="Clock skew",
        description="Seconds by which this machine's clock may differ from ClickHouse's.",
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


def read_months(text: str) -> frozenset[dt.date]:
    """The first days of the months in a text such as ``2026-08,2026-09``; they are separated by commas or blanks.

    Raises:
        ValueError: One of them is no month.
    """
    return frozenset(read_month(month) for month in text.replace(",", " ").split())


def read_month(text: str) -> dt.date:
    """The first day of the month of ``2026-08``, ``2026-08-15`` or an ISO date-time, as the tap's settings take them.

    Raises:
        ValueError: The text is none of these.
    """
    try:
        if _MONTH.fullmatch(text):
            return dt.date.fromisoformat(f"{text}-01")
        return dt.datetime.fromisoformat(text).date().replace(day=1)
    except ValueError:
        raise ValueError(f"{text} is not a month such as 2026-08") from None


def config_jsonschema(model: type[Settings]) -> dict[str, Any]:
    """The JSON schema of a plugin's settings, as the SDK's ``--about`` wants it: no references, secrets marked.

    Args:
        model: The model of the settings.
    """
    schema = _plain(resolve_schema_references(model.model_json_schema()))
    schema.pop("$defs", None)
    return schema


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with null taken from its types and defaults: an optional setting is absent, never null.

    Numbers and booleans may also be texts, as environment variables are.
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
