"""Exports in Azure Blob Storage: blobs as they were listed, or an error that says what to do and holds no signature."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from tap.export_runs import rows, settings, write_run
from tap.simulated_storage import SIGNATURE, Container, running_container
from tap.tap_runs import run

from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.sources.exports.stores import blobs

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "aVeryS3cretS1gnature"  # noqa: S105 - of the simulated container


@pytest.fixture
def container() -> Iterator[Container]:
    with running_container() as running:
        yield running


def blob_settings(container: Container, **other: Any) -> dict[str, Any]:
    """Return settings that read the exports in a container."""
    plain = {"exports_url": f"{container.url}/costs", "auth": "sas", "sas_token": f"?{SIGNATURE}", "max_retries": 0}
    return settings(Path()) | plain | other


def temporary_copies() -> list[Path]:
    """Return the copies of blobs that lie about."""
    return list(Path(tempfile.gettempdir()).glob("tap-azure-ea-billing-*/*"))


def test_a_month_is_read_from_blobs_in_ranges_each_on_condition_of_the_listed_etag(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_RANGE", 400)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    modes: set[str] = set()
    container.before = lambda _name, _count: modes.update(oct(path.stat().st_mode) for path in temporary_copies())
    write_run(tmp_path / "root", [rows(*["1.5"] * 50), rows("2")])
    container.put_folder(tmp_path / "root", "costs/")
    container.blobs["costs2/other/manifest.json"] = b"{"  # beside the folder, not in it
    output = run(blob_settings(container))
    assert output.error == ""
    (row,) = output.records("billing_months")
    assert (row["row_count"], row["extended_cost"], row["blob_count"]) == (51, 77, 2)
    gets = [asked for asked in container.asked if asked[0] == "get"]
    assert len([asked for asked in gets if asked[1].endswith("0001.csv")]) > 4
    assert all(condition == container.etag(name) for _, name, _, condition in gets)
    assert modes == {"0o100600"}
    assert temporary_copies() == []


@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_a_blob_that_changes_while_it_is_read_is_no_month(
    change: str, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_RANGE", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write_run(tmp_path / "root", [rows("1"), rows(*["2"] * 200)])
    container.put_folder(tmp_path / "root", "costs/")
    (second,) = [name for name in container.blobs if name.endswith("0002.csv")]
    seen = []

    def change_it(name: str, _count: int) -> None:
        seen.append(name)
        if seen.count(second) == 3:
            if change == "deleted":
                container.blobs.pop(second, None)
            else:
                container.blobs[second] += b"x"

    container.before = change_it
    output = run(blob_settings(container))
    what = "is gone" if change == "deleted" else "was changed"
    assert output.error.endswith(f"part_0_0002.csv {what} while the month was read: run it again.")
    assert output.records("billing_months") == []
    assert temporary_copies() == []


def test_a_run_that_is_deleted_while_it_is_opened_is_left_for_the_new_one(container: Container, tmp_path: Path) -> None:
    write_run(tmp_path / "old", [rows("1")], run="old")
    write_run(tmp_path / "new", [rows("2")], run="new", submitted="2026-11-04T00:00:00Z")
    container.put_folder(tmp_path / "old", "costs/")

    def overwrite(name: str, _count: int) -> None:
        if name.endswith("0001.csv") and "/old/" in name:
            container.blobs.clear()
            container.put_folder(tmp_path / "new", "costs/")

    container.before = overwrite
    (row,) = run(blob_settings(container)).records("billing_months")
    assert (row["run_id"], row["extended_cost"]) == ("new", 2)


@pytest.mark.parametrize(
    ("refused", "what"),
    [
        (
            (403, "AuthorizationFailure"),
            "the storage account's firewall does not let this machine in, or the signature",
        ),
        ((403, "AuthenticationFailed"), "the token or signature is expired or not one for this account; renew it"),
        ((403, "AuthorizationPermissionMismatch"), "give the identity the role Storage Blob Data Reader"),
        ((404, "ContainerNotFound"), "there is no such container; correct `exports_url`"),
        ((500, "InternalError"), "try again"),
    ],
)
def test_what_storage_refuses_is_one_sentence_without_the_signature(
    refused: tuple[int, str], what: str, container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    container.refused = refused
    with caplog.at_level("DEBUG"):
        error = run(blob_settings(container)).error
    assert error.startswith(f"{container.url}/costs: the storage account answers {refused[0]} {refused[1]}: ")
    assert what in error
    assert SECRET not in error + caplog.text


def test_a_storage_account_that_does_not_answer_is_one_sentence(container: Container) -> None:
    gone = blob_settings(container, exports_url="http://127.0.0.1:9/account/exports")
    assert "can't be reached (ServiceRequestError): check `exports_url`" in run(gone).error


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        (f"https://a.blob.core.windows.net/c?{SIGNATURE}", "belongs into `sas_token`"),
        ("http://a.blob.core.windows.net/c", "anybody on the way can read the bill"),
        ("https://a.blob.core.windows.net/", "it must be a folder, or an address"),
        ("ftp://a/c", "it must be a folder, or an address"),
        ("", "setting `exports_url` is missing"),
    ],
)
def test_an_address_that_can_not_be_one_is_refused_at_the_start(url: str, fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        AzureApiConfig.model_validate(settings(Path()) | {"exports_url": url})
    assert fault in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_token_is_sent_to_the_storage_of_the_cloud_only() -> None:
    config = settings(Path()) | {"auth": "token", "access_token": "eyJ.a.b"}
    error = run(config | {"exports_url": "https://a.blob.core.windows.net.example/c"}).error
    assert "which is not one of core.windows.net: no token is sent there" in error
    assert (
        "is not one of core.chinacloudapi.cn"
        in run(config | {"exports_url": "https://a.blob.core.windows.net/c", "cloud": "china"}).error
    )
    assert "names no container" in run(config | {"exports_url": "http://127.0.0.1/account"}).error
