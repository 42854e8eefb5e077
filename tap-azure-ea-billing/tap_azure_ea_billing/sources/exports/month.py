"""A month of an export run that is being read, file by file, with the proof that nothing of it is missing."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.sources.exports.stores.store import ChangedError
from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.sources.files.focus_names import FOCUS_NAMES
from tap_azure_ea_billing.sources.files.frames import CostFrames, FrameBatch
from tap_azure_ea_billing.sources.files.names import COST_NAMES
from tap_azure_ea_billing.sources.files.opened import opened
from tap_azure_ea_billing.sources.files.sums import count_rows
from tap_azure_ea_billing.sources.source import Absence, MonthTotal
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from tap_azure_ea_billing.sources.exports.catalogue import Catalogue
    from tap_azure_ea_billing.sources.exports.manifest import ExportRun, Part
    from tap_azure_ea_billing.sources.exports.settings import ExportsSettings
    from tap_azure_ea_billing.sources.exports.stores.store import Store, StoredFile
    from tap_azure_ea_billing.sources.source import MonthQuery
    from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

_MOST_ROWS = 50_000


class IncompleteError(OperatorError):
    """A month can't be proved to be complete."""


class MissingError(IncompleteError):
    """A file is missing, or is another one than the manifest names; a new listing may have another run."""


class ExportMonth:
    """A month that is being read.

    Args:
        where: Whose month it is, for errors.
        query: What the tap asked for.
        run: The run that holds it.
        catalogue: Knows the run's files.
        store: Where they are.
        settings: How they are read.
        unknown_fields: Where fields that no documented file has are named.

    Attributes:
        total: What the batches so far came to.
        absence: Why it has no rows, None if it has some.
        run_id: The run.
        blob_count: Files of the run.
        byte_count: Their size in bytes, as stored.

    Raises:
        MissingError: A file is missing or has another size than the manifest says.
    """

    def __init__(
        self,
        where: str,
        query: MonthQuery,
        run: ExportRun,
        *,
        catalogue: Catalogue,
        store: Store,
        settings: ExportsSettings,
        unknown_fields: UnknownFields,
    ) -> None:
        self._where = where
        self._query = query
        self._run = run
        self._store = store
        self._names = FOCUS_NAMES[query.dataset] if settings.export_type == "focus" else COST_NAMES
        self._currency = settings.currency_of(query.enrollment_number)
        self._unknown_fields = unknown_fields
        self._files = [(part, self._found(part, catalogue)) for part in run.parts]
        self._frames = self._read()
        self._first: list[pl.DataFrame] = []
        self.total = MonthTotal()
        self.absence: Absence | None = None
        self.run_id: str | None = run.run_id
        self.blob_count: int | None = len(self._files)
        self.byte_count: int | None = sum(file.size for _, file in self._files)

    def begin(self) -> None:
        """Read up to the first rows, so that it is known whether there are any.

        Raises:
            ChangedError: The run was replaced.
            FileError: A file can't be read.
            IncompleteError: A file has other rows than the manifest says, or the month has none and had some.
        """
        self._first = [frame for frame in (next(self._frames, None),) if frame is not None]
        if self._first:
            return
        if self._query.rows_before:
            raise IncompleteError(
                f"{self._where}: the run {self._run.name} has no rows, and the month had {self._query.rows_before} "
                "when it was read before: run the export again; if the month really became empty, name it in "
                "`accept_empty_months`."
            )
        self.absence = Absence(f"the run {self._run.name} has no rows")

    def batches(self) -> Iterator[FrameBatch]:
        """Yield the rows once, of no more than 50,000 a batch, counting each before it is used.

        Raises:
            IncompleteError: A file can't be read to its end, or has other rows than the manifest says, or was replaced.
        """
        try:
            for frame in chain(self._first, self._frames):
                count_rows(self.total, frame)
                yield FrameBatch(frame)
        except ChangedError as changed:
            message = f"{self._where}: {changed} while the month was read: run it again."
            raise IncompleteError(message) from None
        except FileError as error:
            raise IncompleteError(f"{self._where}: {error}") from None

    def _read(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of each file; after a file's last ones, it is what the manifest says."""
        for part, file in self._files:
            rows = 0
            with (
                self._store.local(file) as path,
                opened(path, file.name, cut_is_known=self._run.sizes_known) as cost_file,
            ):
                frames = CostFrames(
                    cost_file.header,
                    self._names,
                    file.name,
                    self._unknown_fields,
                    currency=self._currency,
                    run_id=self._run.run_id,
                )
                for frame in cost_file.frames():
                    rows += frame.height
                    for piece in frame.iter_slices(_MOST_ROWS):
                        if piece.height:
                            yield frames.frame(piece)
            self.total.pages += bool(rows)
            if part.rows is not None and rows != part.rows:
                raise IncompleteError(
                    f"{self._where}: {file.name} has {counted(rows, 'row')}, and the manifest says {part.rows}: the "
                    "file or the manifest is damaged; run the export again."
                )

    def _found(self, part: Part, catalogue: Catalogue) -> StoredFile:
        file = catalogue.file_of(self._run, part.name)
        if file is None:
            raise MissingError(
                f"{self._where}: {part.name}, a file of the run {self._run.name}, is missing: copy the run again, or "
                "run the export again."
            )
        if part.size is not None and file.size != part.size:
            raise MissingError(
                f"{self._where}: {file.name} has {counted(file.size, 'byte')}, and the manifest says {part.size}: it "
                "was cut short or replaced; copy the run again, or run the export again."
            )
        return file
