"""What the literal command says when it can't run: a failure, and one sentence that says what to do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from pipeline.project import ENROLLMENT, Project

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "TAP_AZURE_EA_BILLING_API_KEY"


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project(rows=2000, page_size=50)


def sentence(project: Project, phrase: str, **settings: str) -> str:
    """The last error with the phrase, among the last ten lines of a run that must fail, which has no traceback.

    Neither key nor password is in what it printed.
    """
    ended = project.pipeline(**settings)
    assert ended.returncode != 0
    environment = project.environment(**settings)
    for secret in (environment[KEY], environment["CLICKHOUSE_PASSWORD"]):
        assert not secret or secret not in ended.stdout
    assert "Traceback" not in ended.stdout
    last = ended.stdout.splitlines()[-10:]
    said = [line for line in last if "azure" in line and phrase in line and "[error" in line]
    assert said, ended.stdout
    return said[-1]


def test_a_wrong_key_is_told_with_its_setting(project: Project) -> None:
    line = sentence(project, "api_key", **{KEY: project.api.key(ENROLLMENT)[:-4] + "AAAA"})
    assert ENROLLMENT in line


def test_an_expired_key_is_told_with_its_date(project: Project) -> None:
    assert "expired" in sentence(project, "api_key", **{KEY: project.api.key(ENROLLMENT, days=-1)})


def test_a_missing_key_is_told_with_its_variable(project: Project) -> None:
    assert KEY in sentence(project, "api_key", **{KEY: ""})


def test_no_clickhouse_is_told_with_its_address(project: Project) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        line = sentence(project, port, CLICKHOUSE_PORT=port)
    assert "nothing answers on this port" in line


def test_a_wrong_password_is_told_with_its_user(project: Project) -> None:
    assert "user default" in sentence(project, "password is wrong", CLICKHOUSE_PASSWORD="mistyped")  # noqa: S106


def test_missing_patterns_are_told_with_the_command_that_makes_them(project: Project) -> None:
    project.clickhouse.execute(f"RENAME TABLE {project.database}.d_application_tag TO {project.database}.put_away")
    try:
        line = sentence(project, "d_application_tag")
    finally:
        project.clickhouse.execute(f"RENAME TABLE {project.database}.put_away TO {project.database}.d_application_tag")
    assert "azure-billing-warehouse patterns import" in line
