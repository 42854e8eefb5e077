"""What a place of exported files can do: list them, and give each as it was when it was listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tap_azure_ea_billing.errors import OperatorError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path


class StoreError(OperatorError):
    """The place can't be read."""


class ChangedError(OperatorError):
    """A file is gone, or is another one than was listed: the run that it belonged to was replaced."""


@dataclass(frozen=True)
class StoredFile:
    """A file as it was listed.

    Attributes:
        name: Its name below the folder or container, with `/`.
        size: Bytes.
        etag: What changes when the file does.
        modified: When it was written, UTC.
    """

    name: str
    size: int
    etag: str
    modified: datetime


class Store(Protocol):
    """A place of exported files.

    Attributes:
        where: What it is called in errors; without anything that is secret.
    """

    where: str

    def files(self) -> list[StoredFile]:
        """Return every file.

        Raises:
            StoreError: They can't be listed.
        """
        ...

    def text(self, file: StoredFile) -> bytes:
        """Return the content of a small file, as it was listed.

        Raises:
            ChangedError: It is gone, or another one.
            StoreError: It can't be read.
        """
        ...

    def local(self, file: StoredFile) -> AbstractContextManager[Path]:
        """Give a file on this machine that has the content of one, as it was listed, while the context lasts.

        Raises:
            ChangedError: It is gone, or another one; also at the context's end.
            StoreError: It can't be read.
        """
        ...
