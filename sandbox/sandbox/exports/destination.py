"""Where exports are written: a folder of this machine, or a container of Azure Blob Storage or of its emulator."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Destination(Protocol):
    """Takes the files of exports."""

    def put(self, name: str, file: Path) -> None:
        """Move a file to a name with `/`, taking the place of what is there."""

    def clear(self, folder: str) -> None:
        """Remove all below a folder."""


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        """Keep it; it is made with the first file."""
        self._root = root

    def put(self, name: str, file: Path) -> None:
        """Move a file into place."""
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)

    def clear(self, folder: str) -> None:
        """Remove a folder."""
        shutil.rmtree(self._root / folder, ignore_errors=True)


class Container:
    """A container of a storage account, which is made if it is absent and the credential allows it.

    Args:
        url: The container's URL, with or without a SAS.
        credential: An account key or a SAS, where the URL has none.
    """

    def __init__(self, url: str, credential: str | None = None) -> None:
        """Connect."""
        # Imported here: the library takes a second, which a folder does without.
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415
        from azure.storage.blob import ContainerClient  # noqa: PLC0415

        self._client: ContainerClient = ContainerClient.from_container_url(url, credential=credential)
        try:
            self._client.create_container()
        except HttpResponseError as error:
            # 409: it is there. 403: a SAS of the container may write blobs, not make it.
            if error.status_code not in {403, 409}:
                raise

    def put(self, name: str, file: Path) -> None:
        """Upload a file."""
        with file.open("rb") as content:
            self._client.upload_blob(name, content, overwrite=True)
        file.unlink()

    def clear(self, folder: str) -> None:
        """Delete the blobs below a folder."""
        for blob in self._client.list_blob_names(name_starts_with=f"{folder}/"):
            self._client.delete_blob(blob)


def destination(place: str, credential: str | None = None) -> Destination:
    """Return the destination that a path or a container's URL names."""
    return Container(place, credential) if place.startswith(("http://", "https://")) else Folder(Path(place))
