"""The tap's settings in one model, joined from the groups that the sources name.

`AzureApiConfig` is also the source of the settings that `--about` shows (`about`), so that there is one place for each.
"""

from __future__ import annotations

from pydantic import field_validator

from tap_azure_ea_billing.sources import SOURCES
from tap_azure_ea_billing.sources.ea.settings import EASettings


class AzureApiConfig(EASettings):
    """Every setting of the tap; an error names the setting and its environment variable.

    A source that has settings of its own adds their group to the base classes.
    """

    @field_validator("source")
    @classmethod
    def _source_is_known(cls, source: str) -> str:
        if source not in SOURCES:
            message = f"input should be {' or '.join(map(repr, SOURCES))}"
            raise ValueError(message)
        return source
