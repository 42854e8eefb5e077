"""Certificates for tests: authorities, what they issue, and a certificate that vouches for itself."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HERE = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, as files.

    Attributes:
        path: the certificate in PEM form; what goes into `ca_cert` if it is an authority's.
        key_path: its key.
        content: the certificate.
        key: the key.
    """

    path: Path
    key_path: Path
    content: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, path: Path, hosts: Sequence[str] = HERE, *, days: int = 30) -> Certificate:
        """A server's certificate, signed by this one.

        Args:
            path: where it is written, and its key beside it.
            hosts: names and addresses that it is valid for.
            days: until it expires; negative for one that has.
        """
        return _make(path, hosts, days=days, issuer=self)


def authority(path: Path, name: str = "Bill of materials CA") -> Certificate:
    """A private certification authority."""
    return _make(path, (), name=name, is_authority=True)


def self_signed(path: Path, hosts: Sequence[str] = HERE) -> Certificate:
    """A server's certificate that is signed by its own key."""
    return _make(path, hosts)


def _make(
    path: Path,
    hosts: Sequence[str],
    *,
    name: str = "clickhouse",
    days: int = 30,
    issuer: Certificate | None = None,
    is_authority: bool = False,
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    signing = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.content.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=60))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
    content = builder.sign(signing, hashes.SHA256())
    path.write_bytes(content.public_bytes(Encoding.PEM))
    key_path = path.with_suffix(".key")
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Certificate(path, key_path, content, key)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
