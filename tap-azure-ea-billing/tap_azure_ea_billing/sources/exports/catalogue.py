"""The finished runs in a place, and which of them holds each month of a bill."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.sources.exports.manifest import (
    MANIFESTS,
    ExportRun,
    export_folder,
    folder_of,
    is_months_own,
    read_manifest,
    run_of_files,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence
    from datetime import date

    from tap_azure_ea_billing.sources.exports.settings import ExportsSettings
    from tap_azure_ea_billing.sources.exports.stores.store import Store, StoredFile

_AT_A_TIME = 8
_DATA = (".csv", ".csv.gz", ".gz", ".parquet")
_TYPES = {"actual": "ActualCost", "amortized": "AmortizedCost", "focus": "FocusCost"}


class WrongScopeError(OperatorError):
    """No export, or more than one, has the costs that the settings name."""


class Catalogue:
    """The runs in a place, and the files that were there when they were listed.

    Args:
        store: The place.
        settings: Which exports count.
        logger: Where runs that nothing proves complete are named.
    """

    def __init__(self, store: Store, settings: ExportsSettings, logger: logging.Logger) -> None:
        self._store = store
        self._settings = settings
        self._logger = logger
        self._read: dict[tuple[str, str], ExportRun | None] = {}
        self._runs: list[ExportRun] = []
        self._files: dict[str, StoredFile] = {}
        self._named: set[str] = set()

    @property
    def is_filled(self) -> bool:
        """Whether the place was listed."""
        return bool(self._runs)

    def refresh(self) -> None:
        """List the place again, and read the manifests that are new.

        Raises:
            StoreError: It can't be listed or read.
            ChangedError: A manifest went away meanwhile.
            ManifestError: A manifest can't be read.
        """
        files = self._store.files()
        manifests = [file for file in files if file.name.rpartition("/")[2].lower() in MANIFESTS]
        unread = [file for file in manifests if (file.name, file.etag) not in self._read]
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            for file, text in zip(unread, pool.map(self._store.text, unread), strict=True):
                self._read[file.name, file.etag] = read_manifest(file, text)
        runs = [run for file in manifests if (run := self._read[file.name, file.etag]) is not None]
        if self._settings.without_manifest:
            runs += _runs_without_manifest(files, manifests)
        self._files = {file.name: file for file in files}
        self._runs = [run for run in runs if self._is_wanted(run)]
        if not self._runs:
            raise WrongScopeError(self._nothing(len(manifests), files))

    def months(self, enrollment_number: str, dataset: str) -> dict[date, ExportRun]:
        """Return the newest run of each month of a bill.

        Raises:
            WrongScopeError: No export has this bill, or there are several scopes that may be meant.
        """
        kind = "focus" if self._settings.export_type == "focus" else dataset
        known = [run for run in self._of_scope(enrollment_number) if run.kind in {kind, None}]
        if not known:
            raise WrongScopeError(
                f"Enrollment {enrollment_number}: {self._store.where} has no run of an export of type {_TYPES[kind]}; "
                f"add such an export, or correct `datasets` or `export_type`."
            )
        self._check_kinds(enrollment_number, known)
        newest: dict[date, ExportRun] = {}
        for run in sorted(known, key=lambda run: (not run.usage_only, run.submitted, run.name)):
            if (month := run.month()) is not None:
                newest[month] = run
            elif run.name not in self._named:
                self._named.add(run.name)
                self._logger.info(
                    "The run %s has %s to %s, which is neither a month nor one up to the day it ran: it is left out.",
                    run.name,
                    run.first,
                    run.last,
                )
        return newest

    def file_of(self, run: ExportRun, name: str) -> StoredFile | None:
        """Return a file of a run, None if it is not there.

        Copies keep the end of a path, not its head: the file is looked for beside the manifest, then by its name below
        the container with as little of its head left out as need be.
        """
        folders = name.split("/")
        beside = f"{run.folder}/{folders[-1]}".lstrip("/")
        names = [beside, *("/".join(folders[at:]) for at in range(len(folders) - 1))]
        return next((self._files[each] for each in names if each in self._files), None)

    def _is_wanted(self, run: ExportRun) -> bool:
        wanted = self._settings.export_name
        if wanted is None:
            return True
        if run.export:
            return run.export.lower() == wanted.lower()
        return wanted.lower() in run.folder.lower().split("/")

    def _of_scope(self, enrollment_number: str) -> list[ExportRun]:
        scopes = {run.scope.strip("/").lower() for run in self._runs if run.scope is not None}
        meant = enrollment_number.strip("/").lower()
        matching = {scope for scope in scopes if meant in {scope, scope.rpartition("/")[2]}}
        if len(matching) > 1 or (scopes and not matching):
            found = ", ".join(sorted({run.scope for run in self._runs if run.scope is not None}))
            what = "more than one export scope is meant by it" if matching else "no export is of this scope"
            raise WrongScopeError(
                f"Enrollment {enrollment_number}: {what}; {self._store.where} has {found}. Set `enrollment_number` to "
                "one of these, or to its last part where that is unique."
            )
        return [run for run in self._runs if run.scope is None or run.scope.strip("/").lower() in matching]

    def _check_kinds(self, enrollment_number: str, runs: Iterable[ExportRun]) -> None:
        """Check that runs which say neither whose nor which costs they have can only be of one bill."""
        unnamed = next((run for run in runs if run.kind is None), None)
        if unnamed is None:
            return
        if len(self._settings.enrollment_numbers()) > 1 or len(self._settings.chosen_datasets()) > 1:
            raise WrongScopeError(
                f"Enrollment {enrollment_number}: {unnamed.name} says neither whose costs it has nor whether they are "
                "actual or amortized; read one enrollment and one of `datasets` in a run, from a folder of its own."
            )

    def _nothing(self, manifests: int, files: Sequence[StoredFile]) -> str:
        where = self._store.where
        if self._settings.export_name is not None:
            return f"{where} has no finished run of the export {self._settings.export_name}: correct `export_name`."
        if manifests:
            return f"{where} has no finished run of a cost export, only of others: correct `exports_url`."
        if any(file.name.lower().endswith(_DATA) for file in files):
            return (
                f"{where} has files, and no manifest.json or _manifest.json with them: wait until the first run of the "
                "export has finished, correct `exports_url`, or set `without_manifest` for exports that write none."
            )
        return f"{where} has no exports: correct `exports_url`."


def _runs_without_manifest(files: Iterable[StoredFile], manifests: Iterable[StoredFile]) -> list[ExportRun]:
    """Return the runs of files in folders without a manifest, where a folder above them names their month.

    A file in the month's own folder is a run by itself, as exports wrote before they had parts. Where other runs of the
    export have a manifest, a run without one has not finished.
    """
    finished = {export_folder(file.name) for file in manifests}
    groups: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files:
        export = export_folder(file.name)
        if file.name.lower().endswith(_DATA) and export is not None and export not in finished:
            groups[file.name if is_months_own(file.name) else folder_of(file.name)].append(file)
    runs = (run_of_files(folder_of(group[0].name), group) for group in groups.values())
    return [run for run in runs if run is not None]
