"""Fetching a report's file by its link: no token, no redirect, nothing of the link in an error, all of its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from requests.auth import AuthBase
from typing_extensions import override

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.sources.azure.answers import AnswerError
from tap_azure_ea_billing.sources.http.session import BodyTooLargeError, BoundedSession
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from tap_azure_ea_billing.sources.cost_details.reports import Blob
    from tap_azure_ea_billing.sources.cost_details.settings import CostDetailsSettings

_PIECE_BYTES = 1 << 20
_LINK_IS_VOID = {requests.codes.forbidden, requests.codes.not_found}
_PASSING_STATUSES = {requests.codes.request_timeout, requests.codes.too_many_requests}
_SERVER_ERRORS = 500


class DiskError(OperatorError):
    """A file can't be kept on this machine."""


class LinkVoidError(Exception):
    """A link is not good any more; the message is what the storage says."""


class _Anonymous(AuthBase):
    """Puts nothing on a request, where requests would look into `.netrc`."""

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _FileSession(BoundedSession):
    """A session for one file, whose bytes go to disk as they come.

    Args:
        deadline: Seconds from sending the request to the last byte.
        size: The file's size.
        path: Where it is written.
    """

    def __init__(self, deadline: float, size: int, path: Path) -> None:
        super().__init__(deadline, size)
        self._path = path
        self.received = 0

    @override
    def take(self, response: requests.Response) -> None:
        if response.status_code != requests.codes.ok:
            return
        try:
            file = self._path.open("wb")
        except OSError as error:
            raise _disk_error(error, self._path) from None
        with file:
            for piece in response.iter_content(_PIECE_BYTES):
                try:
                    file.write(piece)
                except OSError as error:
                    raise _disk_error(error, self._path) from None
                self.received += len(piece)


def download(blob: Blob, path: Path, settings: CostDetailsSettings) -> requests.Response:
    """Write a file to disk; return the answer without its body.

    Raises:
        LinkVoidError: The link is not good any more.
        AnswerError: The file is longer or shorter than its size.
        DiskError: It can't be written.
        requests.RequestException: There is no whole answer within the bounds.
    """
    with _FileSession(settings.request_deadline, blob.byte_count, path) as session:
        try:
            response = session.get(
                blob.blob_link,
                headers={"Accept-Encoding": "identity", "User-Agent": settings.user_agent},
                auth=_Anonymous(),
                timeout=settings.request_timeout,
                allow_redirects=False,
            )
        except BodyTooLargeError:
            raise AnswerError(f"the file has more than the {blob.byte_count} bytes that the report says") from None
        status, received = response.status_code, session.received
    said = f"status {status}" + (f" ({code})" if (code := response.headers.get("x-ms-error-code")) else "")
    if status in _LINK_IS_VOID:
        raise LinkVoidError(said)
    if status in _PASSING_STATUSES or status >= _SERVER_ERRORS:
        raise AnswerError(f"the storage answers with {said}", again=True)
    if status != requests.codes.ok:
        raise AnswerError(f"the storage answers with {said}")
    if received != blob.byte_count:
        raise AnswerError(
            f"the file has {counted(received, 'byte')}, and the report says {blob.byte_count}", again=True
        )
    return response


def _disk_error(error: OSError, path: Path) -> DiskError:
    return DiskError(
        f"The folder {path.parent} can't hold the files of a report ({error.strerror}): make room there, or name "
        "another folder in the environment variable TMPDIR."
    )
