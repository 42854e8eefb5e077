"""A ClickHouse behind certificates of every kind, and what is to be said of each that isn't right."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tls.certificates import authority, self_signed
from tls.front import tls_front

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.launch import ClickHouse


@dataclass(frozen=True)
class Doors:
    """One ClickHouse on several ports.

    Attributes:
        ports: that of each certificate: `issued` by the private authority, `self-signed`, `expired`, `of another host`;
            and `plain`, which speaks HTTP.
        files: the CA files by name: `authority`, `another authority`, `self-signed`, and some that are none.
    """

    ports: Mapping[str, int]
    files: Mapping[str, str]

    def settings(self, door: str, file: str = "", **settings: Any) -> dict[str, Any]:
        """The settings for a port and a CA file."""
        return {"port": self.ports[door], "secure": True, **({"ca_cert": self.files[file]} if file else {}), **settings}


@contextmanager
def doors(clickhouse: ClickHouse, folder: Path) -> Iterator[Doors]:
    """Open the ports; certificates are written into the folder."""
    ours, another = authority(folder / "authority.pem"), authority(folder / "another.pem", "Another authority")
    certificates = {
        "issued": ours.issue(folder / "issued.pem"),
        "self-signed": self_signed(folder / "self-signed.pem"),
        "expired": ours.issue(folder / "expired.pem", days=-1),
        "of another host": ours.issue(folder / "another-host.pem", ["clickhouse.example"]),
    }
    files = {
        "authority": ours.path,
        "another authority": another.path,
        "self-signed": certificates["self-signed"].path,
        "a key": ours.key_path,
        "missing": folder / "missing.pem",
        "folder": folder,
    }
    with ExitStack() as fronts:
        ports = {name: fronts.enter_context(tls_front(clickhouse, made)) for name, made in certificates.items()}
        yield Doors({"plain": clickhouse.port, **ports}, {name: str(path) for name, path in files.items()})


@dataclass(frozen=True)
class Fault:
    """A connection that must fail.

    Attributes:
        door: the port.
        sentence: how the error ends, without its full stop; `{name}` stands for a CA file.
        file: the CA file.
        settings: others than `secure`.
    """

    door: str
    sentence: str
    file: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def told(self, opened: Doors) -> str:
        """The sentence with the paths of this run."""
        return self.sentence.format_map(opened.files)

    def __str__(self) -> str:
        """For the test's id."""
        return " ".join(filter(None, (self.door, self.file and f"with {self.file}", *self.settings)))


REMEDY = "set ca_cert to a file that holds {}, or verify to false to take any certificate"
UNTRUSTED = Fault(
    "issued", f"its certificate is from an authority whose own is not trusted: {REMEDY.format('that one')}"
)
FAULTS = [
    UNTRUSTED,
    Fault(
        "issued",
        "its certificate is from an authority whose own is not in the file of ca_cert, {another authority}",
        "another authority",
    ),
    Fault("self-signed", f"its certificate is self-signed and not trusted: {REMEDY.format('it')}"),
    Fault("self-signed", "its certificate is self-signed and not in the file of ca_cert, {authority}", "authority"),
    Fault(
        "expired",
        "its certificate has expired, by this machine's clock: the server needs another one",
        "authority",
    ),
    Fault(
        "of another host",
        "its certificate is not for 127.0.0.1: set host to a name that the certificate has",
        "authority",
    ),
    Fault("plain", "this port doesn't speak TLS: set port to the one for HTTPS, or secure to false"),
    Fault("issued", "this port wants HTTPS: set secure to true", settings={"secure": False}),
    Fault("issued", "the file of ca_cert, {missing}, can't be read: No such file or directory", "missing"),
    Fault("issued", "the file of ca_cert, {folder}, can't be read: Is a directory", "folder"),
    Fault("issued", "the file of ca_cert, {a key}, holds no certificate in PEM form", "a key"),
]
TRUSTED = [
    ("issued", "authority", {}),
    ("self-signed", "self-signed", {}),
    ("self-signed", "", {"verify": False}),
    ("expired", "missing", {"verify": False}),
    ("plain", "missing", {"secure": False}),
]
"""Doors, CA files and settings that must do; a file that nothing is compared with is not looked at."""
