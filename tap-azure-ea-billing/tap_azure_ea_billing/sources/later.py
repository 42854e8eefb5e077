"""Sources that are imported when they are used: Polars takes a quarter of a second that no other source need wait."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

    from tap_azure_ea_billing.config import AzureApiConfig
    from tap_azure_ea_billing.sources.source import Clock, Source


class ImportedLater:
    """A source's class, in a module that is imported when a source is made.

    Args:
        module: The module.
        name: Name of the class.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the source fills."""
        columns: tuple[str, ...] = getattr(import_module(self._module), self._name).columns
        return columns

    def __call__(self, settings: AzureApiConfig, clock: Clock, logger: logging.Logger) -> Source:
        """Make the source."""
        source: Source = getattr(import_module(self._module), self._name)(settings, clock, logger)
        return source
