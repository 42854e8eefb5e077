"""What one run knows: settings, source and time; set up by `tap`, used by the streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_azure_ea_billing import months
from tap_azure_ea_billing.batch_files import BatchFiles
from tap_azure_ea_billing.errors import SettingsError
from tap_azure_ea_billing.sources import SOURCES

if TYPE_CHECKING:
    import logging
    from datetime import date

    from tap_azure_ea_billing.config import AzureApiConfig
    from tap_azure_ea_billing.sources.source import Clock, Source


@dataclass
class Run:
    """One run of the tap.

    Attributes:
        clock: Tells the time, UTC.
        logger: The plugin's log.
        settings: Valid settings; absent in discovery, which needs none.
        source: Where the bills are read; likewise.
        batch_files: Where rows go that need not be RECORDs; None if all must be.
        under_way: Enrollment and month that is being read, '' between two of them.
    """

    clock: Clock
    logger: logging.Logger
    settings: AzureApiConfig = field(init=False)
    source: Source = field(init=False)
    batch_files: BatchFiles | None = field(init=False, default=None)
    under_way: str = field(init=False, default="")

    def configure(self, settings: AzureApiConfig) -> list[str]:
        """Take the settings and make the source; return a sentence for each error."""
        month = months.current_month(self.clock())
        self.settings = settings
        if (batches := settings.batch_config) is not None:
            self.batch_files = BatchFiles(batches.storage.root, batches.storage.prefix, batches.batch_size)
        errors = [
            f"Setting `{name}` ({text}) lies in the future: the month is {months.label(month)}."
            for name, text in (("start_date", settings.start_date), ("end_date", settings.end_date))
            if text is not None and months.parse_month(text) > month
        ]
        try:
            self.source = SOURCES[settings.source](settings, self.clock, self.logger)
        except SettingsError as error:
            errors += error.sentences
        return errors

    def last_month(self) -> date:
        """Return the last month to read."""
        if self.settings.end_date is not None:
            return months.parse_month(self.settings.end_date)
        return months.current_month(self.clock())
