"""What one run knows: settings, keys, the time, and the fields it has named; set up by `tap`, used by the streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_azure_ea_billing import months
from tap_azure_ea_billing.credentials import CredentialError, load_keys

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from datetime import date, datetime

    from tap_azure_ea_billing.config import AzureApiConfig
    from tap_azure_ea_billing.credentials import ApiKey


@dataclass
class Run:
    """One run of the tap.

    Attributes:
        clock: tells the time, UTC.
        logger: the plugin's log.
        settings: valid settings; absent in discovery, which needs none.
        keys: key of each enrollment; likewise.
        under_way: enrollment and month that is being read, '' between two of them.
    """

    clock: Callable[[], datetime]
    logger: logging.Logger
    settings: AzureApiConfig = field(init=False)
    keys: dict[str, ApiKey] = field(init=False, default_factory=dict)
    under_way: str = field(init=False, default="")
    _named_fields: set[str] = field(init=False, default_factory=set)

    def configure(self, settings: AzureApiConfig) -> list[str]:
        """Take the settings, and check what depends on the time; return a sentence for each error."""
        now = self.clock()
        self.settings = settings
        errors = [
            f"Setting `{name}` ({text}) lies in the future: the month is {months.label(months.current_month(now))}."
            for name, text in (("start_date", settings.start_date), ("end_date", settings.end_date))
            if text is not None and months.parse_month(text) > months.current_month(now)
        ]
        try:
            self.keys = load_keys(settings)
        except CredentialError as error:
            return [*errors, str(error)]
        for number, key in self.keys.items():
            try:
                warning = key.check(number, now)
            except CredentialError as error:
                errors.append(str(error))
            else:
                if warning:
                    self.logger.warning("%s", warning)
        return errors

    def last_month(self) -> date:
        """Return the last month to read."""
        if self.settings.end_date is not None:
            return months.parse_month(self.settings.end_date)
        return months.current_month(self.clock())

    def name_unknown_fields(self, names: AbstractSet[str]) -> None:
        """Say once of each field that the schema does not know, that there is one."""
        if new := sorted(names - self._named_fields):
            self._named_fields.update(new)
            self.logger.warning("The API gives fields that the schema lacks; `extra` has them: %s.", ", ".join(new))
