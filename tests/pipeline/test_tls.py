"""The literal commands against a ClickHouse that speaks HTTPS with the certificate of a private authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tls.faults import UNTRUSTED, Doors, doors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.project import Project

    from sandbox.launch import ClickHouse


@pytest.fixture(scope="module")
def opened(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(clickhouse, tmp_path_factory.mktemp("certificates")) as opened:
        yield opened


def test_a_run_and_its_check_go_by_https_from_end_to_end(new_project: Callable[..., Project], opened: Doors) -> None:
    project = new_project(rows=50, page_size=50)
    https = {
        "CLICKHOUSE_PORT": str(opened.ports["issued"]),
        "CLICKHOUSE_SECURE": "true",
        "CLICKHOUSE_VERIFY": "true",
        "CLICKHOUSE_CA_CERT": opened.files["authority"],
    }
    refused = project.pipeline(**{**https, "CLICKHOUSE_CA_CERT": ""})
    assert refused.returncode != 0
    assert UNTRUSTED.sentence in refused.stdout
    assert project.published() == {}
    project.load(**https)
    assert tuple(project.published()) == ("2026-08", "2026-09", "2026-10")
    checked = project.meltano("invoke", "warehouse", "check", **https)
    assert checked.returncode == 0, checked.stdout
