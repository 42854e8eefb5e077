"""The command `sandbox storage`: Azurite with a container, and the facts that reach it, printed and kept in a file."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient, generate_container_sas

from sandbox.storage.azurite import ACCOUNT, running

if TYPE_CHECKING:
    from pathlib import Path

FACTS = "connection.json"
"""In the data folder: url, account, key, container and sas of the running service."""


def container_sas(key: str, container: str, permission: str = "rl", hours: float = 24) -> str:
    """Return a SAS of a container, an expired one for negative hours."""
    now = datetime.now(UTC)
    return generate_container_sas(
        ACCOUNT,
        container,
        account_key=key,
        permission=permission,
        start=now - timedelta(days=1),
        expiry=now + timedelta(hours=hours),
    )


def serve(port: int, folder: Path, container: str, certificate: tuple[Path, Path] | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    key = base64.b64encode(os.urandom(64)).decode()
    folder.mkdir(parents=True, exist_ok=True)
    with running(port, folder / "blobs", key, certificate) as url:
        place = f"{url}/{container}"
        verify = str(certificate[0]) if certificate else True
        try:
            ContainerClient.from_container_url(place, credential=key, connection_verify=verify).create_container()
        except ResourceExistsError:
            click.echo(f"The container {container} is there from before.", err=True)
        facts = {"url": place, "account": ACCOUNT, "key": key, "container": container}
        facts["sas"] = container_sas(key, container)
        file = folder / FACTS
        file.touch(mode=0o600)
        file.write_text(json.dumps(facts), encoding="utf-8")
        click.echo(f"ready {place}")
        click.echo(f"account {ACCOUNT}\nkey {key}\nsas {facts['sas']}  (reads and lists for a day)")
        ended.wait()
    file.unlink()
