"""The settings of exports: where their files are, and which of them are read."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from tap_azure_ea_billing.sources.azure.settings import CloudSettings
from tap_azure_ea_billing.sources.http.addresses import address, sends_in_the_clear
from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX, BillSettings, RequestSettings


class ExportsSettings(CloudSettings, RequestSettings, BillSettings):
    """Every setting that the source `exports` looks at."""

    exports_url: str | None = Field(
        default=None,
        title="Exports URL",
        description=(
            "Where the exports are: a container of Azure Blob Storage with the folder in it, such as "
            "https://account.blob.core.windows.net/container/folder, or a folder on this machine. Everything below it "
            "is looked at."
        ),
    )
    export_name: str | None = Field(
        default=None,
        title="Export name",
        description="Name of the export to read, where several write to one folder. All of them by default.",
    )
    export_type: Literal["cost", "focus"] = Field(
        default="cost",
        title="Export type",
        description=(
            "`cost`: exports of actual and amortized costs. `focus`: FOCUS exports, whose BilledCost is the actual and "
            "EffectiveCost the amortized cost."
        ),
    )
    without_manifest: bool = Field(
        default=False,
        title="Without manifest",
        description=(
            "Also read runs that have no manifest, from folders named after the month (20261001-20261031). Nothing "
            "says then whether a file or a part of one is missing; each such run is named in a warning."
        ),
    )

    @field_validator("exports_url")
    @classmethod
    def _exports_url_is_a_place(cls, url: str | None) -> str | None:
        if url is None or "://" not in url or url.startswith("file:///"):
            return url
        found = address(url)
        if found is None or found.scheme not in {"https", "http"} or not found.path.strip("/"):
            message = "it must be a folder, or an address like https://account.blob.core.windows.net/container/folder"
            raise ValueError(message)
        if urlsplit(url).query or urlsplit(url).fragment:
            message = "leave out what follows the `?`; a shared access signature belongs into `sas_token`"
            raise ValueError(message)
        if sends_in_the_clear(url):
            message = "it has http://, so that anybody on the way can read the bill: use https://"
            raise ValueError(message)
        return url

    @model_validator(mode="after")
    def _exports_are_somewhere(self) -> Self:
        if self.source == "exports" and not self.exports_url:
            variable = f"{ENVIRONMENT_PREFIX}EXPORTS_URL"
            message = f"setting `exports_url` is missing: set it (environment variable {variable})"
            raise ValueError(message)
        return self
