"""The loader against a ClickHouse that speaks HTTPS, with the certificates of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from loader.conftest import PASSWORD, Loader, arrow_file, batch, failure, schema
from tls.faults import FAULTS, UNTRUSTED, Doors, Fault, doors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.launch import ClickHouse

TYPED = {"type": "SCHEMA", "stream": "absent", "schema": {"properties": {"id": {"type": "integer"}}}}
LIKE_OTHERS = {"another authority", "folder", "a key"}  # to this program; all are tested with the mapper's connection
RECORD = {"type": "RECORD", "stream": "absent", "record": {"id": 7}}


@pytest.fixture(scope="module")
def opened(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(clickhouse, tmp_path_factory.mktemp("certificates")) as opened:
        yield opened


def record_messages() -> list[dict[str, Any]]:
    return [{**TYPED, "key_properties": ["id"]}, RECORD]


@pytest.mark.parametrize("settings", [{"file": "authority"}, {"verify": False}], ids=str)
def test_files_and_records_go_to_a_server_that_is_trusted_or_not_looked_at(
    loader: Loader, clickhouse: ClickHouse, opened: Doors, tmp_path: Path, settings: dict[str, Any]
) -> None:
    messages = [schema(), batch(arrow_file(tmp_path / "part.arrow")), *record_messages()]
    ended = loader.run(messages, **opened.settings("issued", **settings))
    assert ended.returncode == 0, ended.stderr
    assert "InsecureRequestWarning" not in ended.stderr
    assert clickhouse.query("SELECT count() AS n FROM bill") == [{"n": 3}]
    assert clickhouse.query("SELECT id FROM absent") == [{"id": 7}]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.file not in LIKE_OTHERS], ids=str)
def test_what_is_wrong_with_tls_is_told_in_one_sentence(
    loader: Loader, opened: Doors, tmp_path: Path, fault: Fault
) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    ended = loader.run([schema(), batch(path)], **opened.settings(fault.door, fault.file, **fault.settings))
    place = f"ClickHouse at 127.0.0.1:{opened.ports[fault.door]}"
    assert failure(ended) == f"{place} can't be used: {fault.told(opened)}."
    assert path.exists()


def test_what_is_wrong_with_tls_is_told_for_records_too(loader: Loader, opened: Doors) -> None:
    ended = loader.run(record_messages(), **opened.settings("issued"))
    assert failure(ended) == f"ClickHouse at 127.0.0.1:{opened.ports['issued']} can't be used: {UNTRUSTED.sentence}."


def test_a_url_may_name_the_ca_file_as_the_driver_of_records_has_it(
    loader: Loader, clickhouse: ClickHouse, opened: Doors, tmp_path: Path
) -> None:
    ca_cert, port = opened.files["authority"], opened.ports["issued"]
    account = f"{clickhouse.user}:{quote(PASSWORD, '')}"
    url = f"clickhouse+http://{account}@127.0.0.1:{port}/default?protocol=https&verify={quote(ca_cert, '')}"
    messages = [schema(), batch(arrow_file(tmp_path / "part.arrow")), *record_messages()]
    ended = loader.run(messages, sqlalchemy_url=url)
    assert ended.returncode == 0, ended.stderr
    assert clickhouse.query("SELECT count() AS n FROM bill") == [{"n": 3}]
    assert clickhouse.query("SELECT id FROM absent") == [{"id": 7}]
