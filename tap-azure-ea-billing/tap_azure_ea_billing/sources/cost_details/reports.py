"""Reading what Azure says of a report: still being made, failed, empty, or its files and their sizes; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tap_azure_ea_billing.sources.azure.answers import ASK, AnswerError, AzureError
from tap_azure_ea_billing.sources.http.addresses import address
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from tap_azure_ea_billing.sources.http.addresses import Address

_ACCEPTED, _NO_CONTENT = 202, 204
_COMPLETED, _NO_DATA, _FAILED = "completed", "nodatafound", "failed"
_BEING_MADE = {"accepted", "inprogress", "pending", "queued", "running"}
_HTTPS_PORT = 443


class Blob(msgspec.Struct, rename="camel"):
    """A file of a report.

    Attributes:
        blob_link: Its URL, which holds a signature: whoever has it can read the file.
        byte_count: Its size.
    """

    blob_link: str
    byte_count: int


class _Manifest(msgspec.Struct, rename="camel"):
    blob_count: int | None = None
    byte_count: int | None = None
    blobs: list[Blob] | None = None


class _Result(msgspec.Struct):
    name: str | None = None
    status: str | None = None
    manifest: _Manifest | None = None
    error: AzureError | None = None


class Pending(NamedTuple):
    """A report is being made."""


class Report(NamedTuple):
    """A finished report.

    Attributes:
        name: Its id, None if Azure gives none.
        blobs: Its files, none if there is no data.
        reason: What Azure says where there is no data.
    """

    name: str | None
    blobs: tuple[Blob, ...]
    reason: str = ""


_read_result = msgspec.json.Decoder(_Result).decode


def read_report(status: int, body: bytes) -> Report | Pending:
    """Read an answer with status 200, 202 or 204.

    Raises:
        AnswerError: The report failed, or what the answer says of its files does not agree.
    """
    if status == _ACCEPTED:
        return Pending()
    if status == _NO_CONTENT:
        return Report(None, (), "status 204")
    try:
        result = _read_result(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AnswerError(f"the answer is no report ({error})", again=True) from None
    state = (result.status or "").casefold()
    if state in _BEING_MADE:
        return Pending()
    if state == _NO_DATA:
        return Report(result.name, (), "status NoDataFound")
    if state != _COMPLETED:
        what = "the report failed" if state == _FAILED else f"the report has the status {result.status!r}"
        said = str(result.error or "")
        raise AnswerError(f"{what} ({said})" if said else what, ASK)
    return _completed(result)


def _completed(result: _Result) -> Report:
    manifest = result.manifest or _Manifest()
    blobs = tuple(manifest.blobs or ())
    if manifest.blob_count not in {len(blobs), None if not blobs else len(blobs)}:
        raise AnswerError(f"the report names {counted(len(blobs), 'file')} and says that it has {manifest.blob_count}")
    size = sum(blob.byte_count for blob in blobs)
    if manifest.byte_count not in {size, None if not blobs else size}:
        raise AnswerError(
            f"the files of the report have {counted(size, 'byte')} in all, "
            f"and the report says that it has {manifest.byte_count}"
        )
    return Report(result.name, blobs, "" if blobs else "a report without files")


def check_blob_link(link: str, storage_suffix: str, arm: Address) -> None:
    """Check that a link leads to a blob of the cloud, or of this machine where Azure Resource Manager is here too.

    Args:
        link: The link.
        storage_suffix: End of the hosts of storage accounts.
        arm: Address of Azure Resource Manager.

    Raises:
        AnswerError: It leads elsewhere; the sentence has its host only.
    """
    found = address(link)
    if found is not None:
        if (found.scheme, found.port) == ("https", _HTTPS_PORT) and found.host.endswith(f".blob.{storage_suffix}"):
            return
        if found.is_loopback and arm.is_loopback:
            return
    shown = f"the host {found.host!r} ({found.scheme})" if found else "no host"
    raise AnswerError(
        f"a link to a file leads to {shown}, which is no blob host of the cloud",
        f"check `cloud` and `storage_suffix` ({storage_suffix}), and that nobody stands between you and Azure",
    )
