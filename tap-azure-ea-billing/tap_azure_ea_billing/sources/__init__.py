"""The sources of bills, by the name that the setting `source` has for each; what a source is, is in `source`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_azure_ea_billing.sources.ea.source import EASource
from tap_azure_ea_billing.sources.later import ImportedLater

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tap_azure_ea_billing.config import AzureApiConfig
    from tap_azure_ea_billing.sources.source import Clock, Source

SOURCES: dict[str, Callable[[AzureApiConfig, Clock, logging.Logger], Source]] = {
    "ea": EASource,
    "exports": ImportedLater("tap_azure_ea_billing.sources.exports.source", "ExportsSource"),
    "cost_details": ImportedLater("tap_azure_ea_billing.sources.cost_details.source", "CostDetailsSource"),
    "arm": ImportedLater("tap_azure_ea_billing.sources.arm.source", "UsageDetailsSource"),
}
