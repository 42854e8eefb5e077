"""The source `exports`: which run holds each month, and its rows, proved to be all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.sources.exports.catalogue import Catalogue
from tap_azure_ea_billing.sources.exports.month import ExportMonth, IncompleteError, MissingError
from tap_azure_ea_billing.sources.exports.stores.blobs import BlobStore
from tap_azure_ea_billing.sources.exports.stores.folder import FolderStore
from tap_azure_ea_billing.sources.exports.stores.store import ChangedError
from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.sources.files.names import RECORD_COLUMNS
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping
    from datetime import date

    from tap_azure_ea_billing.sources.exports.settings import ExportsSettings
    from tap_azure_ea_billing.sources.exports.stores.store import Store
    from tap_azure_ea_billing.sources.source import Clock, MonthQuery

_LISTINGS = 3
"""How often the place is listed for a month whose run is replaced while it is read."""


class ExportsSource:
    """Cost Management exports.

    Args:
        settings: The settings that it looks at.
        clock: Tells the time, UTC; exports say themselves when they ran.
        logger: The tap's log.

    Raises:
        SettingsError: It is not said how to sign in.
    """

    columns: ClassVar[tuple[str, ...]] = RECORD_COLUMNS

    def __init__(self, settings: ExportsSettings, clock: Clock, logger: logging.Logger) -> None:
        del clock
        self._settings = settings
        self._logger = logger
        self._store = _store(settings, logger)
        self._catalogue = Catalogue(self._store, settings, logger)
        self._unknown_fields = UnknownFields(logger)

    def runs(self, enrollment_number: str, dataset: str) -> Mapping[date, str]:
        """Return the id of the newest finished run of each month.

        Raises:
            OperatorError: They can't be listed, or no export has this bill.
        """
        for attempt in range(1, _LISTINGS + 1):
            try:
                self._catalogue.refresh()
                break
            except ChangedError as changed:
                self._give_up(attempt, f"Enrollment {enrollment_number}", changed)
        months = self._catalogue.months(enrollment_number, dataset)
        return {month: run.run_id for month, run in sorted(months.items())}

    def read(self, query: MonthQuery) -> ExportMonth:
        """Begin to read a month; return when its first rows are there.

        A run that is replaced before any of its rows were handed over is left for the one that replaced it.

        Raises:
            OperatorError: There is no run, or it can't be proved complete.
        """
        where = f"Enrollment {query.enrollment_number}, {query.dataset} costs, month {query.month:%Y-%m}"
        for attempt in range(1, _LISTINGS + 1):
            try:
                if attempt > 1 or not self._catalogue.is_filled:
                    self._catalogue.refresh()
                run = self._catalogue.months(query.enrollment_number, query.dataset).get(query.month)
                if run is None:
                    raise IncompleteError(f"{where}: there is no finished run any more: run the export again.")
                if not run.sizes_known:
                    self._logger.warning(
                        "%s: the run %s has no manifest, so nothing says whether a file or a part of one is missing.",
                        where,
                        run.name,
                    )
                month = ExportMonth(
                    where,
                    query,
                    run,
                    catalogue=self._catalogue,
                    store=self._store,
                    settings=self._settings,
                    unknown_fields=self._unknown_fields,
                )
                month.begin()
            except ChangedError as changed:
                self._give_up(attempt, where, changed)
            except MissingError:
                if attempt == _LISTINGS:
                    raise
            except FileError as error:
                raise IncompleteError(f"{where}: {error}") from None
            else:
                return month
        raise AssertionError  # the last attempt returns or raises

    def _give_up(self, attempt: int, where: str, changed: ChangedError) -> None:
        """Say that a run was replaced; stop if that was the last attempt."""
        if attempt == _LISTINGS:
            raise OperatorError(f"{where}: {changed}, and so again after the exports were listed anew: run it later.")
        self._logger.warning("%s: %s while it was read; listing the exports again.", where, changed)


def _store(settings: ExportsSettings, logger: logging.Logger) -> Store:
    url = settings.exports_url or ""
    if url.startswith(("https://", "http://")):
        return BlobStore(settings, logger)
    return FolderStore(url)
