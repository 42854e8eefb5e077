"""Exported files in a container of Azure Blob Storage, or of Azurite.

A blob is read in ranges, each on the condition that the blob's ETag is the listed one, into a file that only this user
can read and that is removed at the end. azure-storage-blob takes a second to import, so it is imported when a store is
made, not with the module.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tap_azure_ea_billing.errors import SettingsError
from tap_azure_ea_billing.sources.azure.credentials import credential, sas_token
from tap_azure_ea_billing.sources.exports.stores.store import ChangedError, StoredFile, StoreError
from tap_azure_ea_billing.sources.http.addresses import is_loopback

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from azure.core.exceptions import AzureError
    from azure.storage.blob import ContainerClient, StorageStreamDownloader

    from tap_azure_ea_billing.sources.exports.settings import ExportsSettings

_RANGE = 16 << 20
_CONNECT_SECONDS = 20
_FORBIDDEN = 403
_PRIVATE = 0o600
_ROLE = "Storage Blob Data Reader"


class BlobStore:
    """A container, or a folder in it.

    Args:
        settings: Where it is, and how to sign in.
        logger: The tap's log.

    Attributes:
        where: Its address, without a signature.

    Raises:
        SettingsError: The host is not one of the cloud's, or a secret is missing.
    """

    def __init__(self, settings: ExportsSettings, logger: logging.Logger) -> None:
        from azure.core.credentials import AzureSasCredential  # noqa: PLC0415 - see the module's docstring
        from azure.storage.blob import ContainerClient  # noqa: PLC0415 - likewise

        url = urlsplit(settings.exports_url or "")
        parts = [unquote(part) for part in url.path.split("/") if part]
        account = [parts.pop(0)] if is_loopback(url.hostname or "") else []  # Azurite has the account in the path
        if not parts:
            message = "Setting `exports_url` names no container: add it behind the host."
            raise SettingsError(message)
        self._prefix = "".join(f"{part}/" for part in parts[1:])
        self.where = "/".join([f"{url.scheme}://{url.netloc}", *account, *parts])
        _check_host(url.hostname or "", settings)
        signed = AzureSasCredential(sas_token(settings)) if settings.auth == "sas" else credential(settings, logger)
        self._container: ContainerClient = ContainerClient(
            "/".join([f"{url.scheme}://{url.netloc}", *account]),
            parts[0],
            credential=signed,
            retry_total=settings.max_retries,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=settings.request_timeout,
            user_agent=settings.user_agent,
            max_single_get_size=_RANGE,
            max_chunk_get_size=_RANGE,
        )

    def files(self) -> list[StoredFile]:
        """Return every blob below the folder.

        Raises:
            StoreError: They can't be listed.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - see the module's docstring

        try:
            return [
                StoredFile(blob.name.removeprefix(self._prefix), blob.size, blob.etag, blob.last_modified)
                for blob in self._container.list_blobs(name_starts_with=self._prefix or None)
            ]
        except AzureError as error:
            raise self._unreadable(error) from None

    def text(self, file: StoredFile) -> bytes:
        """Return the content of a small blob.

        Raises:
            ChangedError: It is gone, or another one.
            StoreError: It can't be read.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - see the module's docstring

        try:
            return self._download(file).readall()
        except AzureError as error:
            raise self._changed_or_unreadable(error, file) from None

    @contextmanager
    def local(self, file: StoredFile) -> Iterator[Path]:
        """Give a copy of a blob, which is removed at the end.

        Raises:
            ChangedError: It is gone, or another one.
            StoreError: It can't be read, or not be kept.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - see the module's docstring

        # A temporary folder is removed at Python's end even where nobody closes this context, as at a signal.
        with tempfile.TemporaryDirectory(prefix="tap-azure-ea-billing-") as folder:
            path = Path(folder, "part")
            path.touch(_PRIVATE)
            try:
                with path.open("wb") as copy:
                    for part in self._download(file).chunks():
                        copy.write(part)
            except AzureError as error:
                raise self._changed_or_unreadable(error, file) from None
            except OSError as error:
                raise StoreError(f"{file.name} can't be kept in {tempfile.gettempdir()} ({error.strerror}).") from None
            yield path

    def _download(self, file: StoredFile) -> StorageStreamDownloader[bytes]:
        from azure.core import MatchConditions  # noqa: PLC0415 - see the module's docstring

        blob = self._container.get_blob_client(self._prefix + file.name)
        return blob.download_blob(etag=file.etag, match_condition=MatchConditions.IfNotModified)

    def _changed_or_unreadable(self, error: AzureError, file: StoredFile) -> ChangedError | StoreError:
        from azure.core.exceptions import (  # noqa: PLC0415 - see the module's docstring
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        if isinstance(error, ResourceModifiedError):
            return ChangedError(f"{file.name} was changed")
        if isinstance(error, ResourceNotFoundError) and _code(error) != "ContainerNotFound":
            return ChangedError(f"{file.name} is gone")
        return self._unreadable(error)

    def _unreadable(self, error: AzureError) -> StoreError:
        """Return a sentence on an error; azure-core's own texts can hold addresses with signatures."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415 - see the module's docstring

        if not isinstance(error, HttpResponseError) or error.status_code is None:
            return StoreError(f"{self.where} can't be reached ({type(error).__name__}): check `exports_url`.")
        code = _code(error)
        what = f"{self.where}: the storage account answers {error.status_code} {code}".rstrip()
        if code in {"ContainerNotFound", "ContainerBeingDeleted"}:
            return StoreError(f"{what}: there is no such container; correct `exports_url`.")
        if code == "AuthenticationFailed":
            return StoreError(f"{what}: the token or signature is expired or not one for this account; renew it.")
        if code == "AuthorizationFailure":
            return StoreError(
                f"{what}: the storage account's firewall does not let this machine in, or the signature is expired or "
                f"for another container, or the role {_ROLE} is missing; check the three in this order."
            )
        if error.status_code == _FORBIDDEN:
            return StoreError(f"{what}: give the identity the role {_ROLE}, or the signature the rights `rl`.")
        return StoreError(f"{what}: try again, then ask the storage account's owner.")


def _code(error: Any) -> str:  # noqa: ANN401 - azure-storage-blob adds it to azure-core's errors
    """Return the code of the storage service for an error."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _check_host(host: str, settings: ExportsSettings) -> None:
    """Check that a token would be sent to the configured cloud's storage only; a signature is for one account."""
    suffix = settings.chosen_cloud().storage_suffix
    if settings.auth != "sas" and not host.lower().endswith(f".{suffix}"):
        message = (
            f"Setting `exports_url` has the host {host}, which is not one of {suffix}: no token is sent there. Correct "
            "it, `cloud` or `storage_suffix`."
        )
        raise SettingsError(message)
