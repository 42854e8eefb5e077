"""The tap's settings in one model, joined from the groups that the sources name.

`AzureApiConfig` is also the source of the settings that `--about` shows (`about`), so that there is one place for each.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tap_azure_ea_billing.sources import SOURCES
from tap_azure_ea_billing.sources.arm.settings import UsageDetailsSettings
from tap_azure_ea_billing.sources.cost_details.settings import CostDetailsSettings
from tap_azure_ea_billing.sources.ea.settings import EASettings
from tap_azure_ea_billing.sources.exports.settings import ExportsSettings
from tap_azure_ea_billing.sources.forms import FILE_PREFIX
from tap_azure_ea_billing.sources.settings import SettingsGroup


class BatchEncoding(SettingsGroup):
    """How BATCH files are written."""

    format: Literal["arrow"] = Field(title="Format", description="`arrow`: Arrow IPC files.")


class BatchStorage(SettingsGroup):
    """Where BATCH files are written."""

    root: str = Field(
        title="Root",
        description="Folder on this machine, as a path or a `file://` URL.",
    )
    prefix: str = Field(
        default="usage_details-", title="Prefix", description="How the names of the files begin.", pattern=FILE_PREFIX
    )

    @field_validator("root")
    @classmethod
    def _folder_is_here(cls, root: str) -> str:
        if "://" in root and not root.startswith("file:///"):
            message = "it must be a folder on this machine"
            raise ValueError(message)
        return root


class BatchConfig(SettingsGroup):
    """singer-sdk's setting for BATCH messages."""

    encoding: BatchEncoding = Field(title="Encoding", description="How the files are written.")
    storage: BatchStorage = Field(title="Storage", description="Where the files are written.")
    batch_size: int = Field(default=25_000, ge=1, title="Batch size", description="Rows of a file.")


class AzureApiConfig(EASettings, CostDetailsSettings, UsageDetailsSettings, ExportsSettings):
    """Every setting of the tap; an error names the setting and its environment variable.

    A source that has settings of its own adds their group to the base classes.
    """

    batch_config: BatchConfig | None = Field(
        default=None,
        title="Batches",
        description=(
            "Usage rows go to Arrow files (`encoding.format` `arrow`) of `batch_size` rows in a folder "
            "(`storage.root`), which BATCH messages name and the reader deletes. RECORDs are written by default, where "
            "stream maps are set, and for rows that texts can't say."
        ),
    )

    @field_validator("source")
    @classmethod
    def _source_is_known(cls, source: str) -> str:
        if source not in SOURCES:
            message = f"{source!r} is unknown; it must be {' or '.join(map(repr, SOURCES))}"
            raise ValueError(message)
        return source
