"""Exports in Microsoft's storage emulator: a month is what its manifest promises, or a sentence says why not."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import ContainerClient
from tap.tap_runs import run

from sandbox.exports.destination import destination
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import running_storage
from tap_azure_ea_billing.sources.exports.stores.blobs import BlobStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.launch import Storage
    from tap_azure_ea_billing.sources.exports.stores.store import StoredFile

MONTH = "2026-08"
PLAN = ExportOptions(months=(MONTH,), datasets=("actual",), rows=50)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with running_storage(tmp_path_factory.mktemp("azurite")) as running:
        yield running


def settings(storage: Storage, folder: str, **other: Any) -> dict[str, Any]:
    """The settings that read a folder of the container."""
    return {
        "source": "exports",
        "enrollment_number": PLAN.account,
        "exports_url": f"{storage.url}/{folder}",
        "auth": "sas",
        "sas_token": storage.sas,
        "start_date": MONTH,
        "end_date": MONTH,
        "max_retries": 0,
    } | other


def put(storage: Storage, folder: str, **changed: Any) -> Any:
    """Write an export into a folder; what is true of its month."""
    truths = write_exports(replace(PLAN, directory=folder, **changed), destination(storage.url, storage.key))
    return truths["actual"][MONTH]


@pytest.mark.parametrize("file_format", ["csv", "csv.gz", "parquet"])
def test_a_month_is_read_to_its_last_digit(storage: Storage, file_format: str) -> None:
    truth = put(storage, file_format, file_format=file_format)
    output = run(settings(storage, file_format))
    assert output.error == ""
    (month,) = output.records("billing_months")
    assert (month["row_count"], month["extended_cost"]) == (truth.rows, truth.cost)
    assert (month["run_id"], month["blob_count"], month["byte_count"]) == (
        truth.run_id,
        truth.blob_count,
        truth.byte_count,
    )


@pytest.mark.parametrize(
    ("trap", "said"),
    [
        ("missing-part", "is missing"),
        ("wrong-row-count", "the manifest says"),
        ("wrong-byte-count", "the manifest says"),
        ("wrong-blob-count", "manifest"),
        ("cut-file", "the manifest says"),
        ("cut-last-line", ""),
        ("short-row", ""),
    ],
)
def test_a_run_that_is_not_whole_is_no_month(storage: Storage, trap: str, said: str) -> None:
    put(storage, trap, traps=(trap,))
    output = run(settings(storage, trap))
    assert said in output.error
    assert MONTH in output.error or "manifest.json" in output.error
    assert output.records("billing_months") == []


@contextmanager
def in_between(monkeypatch: pytest.MonkeyPatch, act: Any) -> Iterator[None]:
    """Act once, after the first part was fetched and before the second is."""
    fetch, asked = BlobStore.local, []

    @contextmanager
    def local(store: BlobStore, file: StoredFile) -> Iterator[Path]:
        asked.append(file)
        if len(asked) == 2:
            act()
        with fetch(store, file) as path:
            yield path

    with monkeypatch.context() as patched:
        patched.setattr(BlobStore, "local", local)
        yield


@pytest.mark.parametrize("change", ["deleted", "changed"])
def test_a_run_that_goes_away_while_it_is_read_is_no_month(
    storage: Storage, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = put(storage, change)

    def act() -> None:
        with ContainerClient.from_container_url(storage.url, credential=storage.key) as container:
            for blob in container.list_blob_names(name_starts_with=truth.folder):
                if change == "deleted":
                    container.delete_blob(blob)
                else:
                    container.upload_blob(blob, b"other", overwrite=True)

    with in_between(monkeypatch, act):
        output = run(settings(storage, change))
    assert "while the month was read: run it again" in output.error
    assert output.records("billing_months") == []


@pytest.mark.parametrize("wrong", ["expired", "another container"])
def test_a_signature_that_is_refused_is_a_sentence_without_it(storage: Storage, wrong: str) -> None:
    sas = storage.container_sas(hours=-1) if wrong == "expired" else storage.container_sas(container="other")
    output = run(settings(storage, "csv", sas_token=sas))
    assert "the signature is expired or for another container" in output.error
    assert "sig=" not in output.error
