"""Exported files in a folder on this machine."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tap_azure_ea_billing.sources.exports.stores.store import ChangedError, StoredFile, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator


class FolderStore:
    """A folder on this machine.

    Args:
        url: Its path, or its URL.

    Attributes:
        where: Its path.
    """

    def __init__(self, url: str) -> None:
        path = unquote(urlsplit(url).path) if url.startswith("file:///") else url
        self._folder = Path(path).expanduser()
        self.where = str(self._folder)

    def files(self) -> list[StoredFile]:
        """Return every file below the folder.

        Raises:
            StoreError: It can't be listed.
        """
        if not self._folder.is_dir():
            raise StoreError(f"There is no folder {self.where}: correct `exports_url`.")
        found = []
        try:
            for folder, _, names in os.walk(self._folder, onerror=_refuse):
                for name in names:
                    path = Path(folder, name)
                    if path.is_file():
                        found.append(self._listed(path))
        except OSError as error:
            raise StoreError(f"The folder {self.where} can't be listed ({error.strerror}).") from None
        return sorted(found, key=lambda file: file.name)

    def text(self, file: StoredFile) -> bytes:
        """Return the content of a file.

        Raises:
            ChangedError: It is gone, or another one.
            StoreError: It can't be read.
        """
        with self.local(file) as path:
            return path.read_bytes()

    @contextmanager
    def local(self, file: StoredFile) -> Iterator[Path]:
        """Give the file itself, and check before and after that it is the one that was listed.

        Raises:
            ChangedError: It is gone, or another one.
            StoreError: It can't be read.
        """
        path = self._folder / file.name
        self._check(path, file)
        try:
            yield path
        except OSError as error:
            raise StoreError(f"{path} can't be read ({error.strerror or error}).") from None
        self._check(path, file)

    def _listed(self, path: Path) -> StoredFile:
        state = path.stat()
        etag = f"{state.st_ino}-{state.st_mtime_ns}-{state.st_size}"
        modified = datetime.fromtimestamp(state.st_mtime, UTC)
        return StoredFile(path.relative_to(self._folder).as_posix(), state.st_size, etag, modified)

    def _check(self, path: Path, file: StoredFile) -> None:
        try:
            unchanged = self._listed(path).etag == file.etag
        except FileNotFoundError:
            raise ChangedError(f"{file.name} is gone") from None
        if not unchanged:
            raise ChangedError(f"{file.name} was changed")


def _refuse(error: OSError) -> None:
    raise error
