"""Certificates for tests of TLS, made when they are needed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Files:
    """A certificate and its key."""

    certificate: str
    key: str


class Authority:
    """An authority with a directory for what it issues."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._authority = trustme.CA()
        self._issued = 0
        self.file = str(directory / "authority.pem")
        self._authority.cert_pem.write_to_path(self.file)

    def issue(self, name: str = "localhost", password: str = "") -> Files:
        """A new certificate; its key is encrypted if there is a password."""
        issued = self._authority.issue_cert(name)
        self._issued += 1
        certificate = self._directory / f"{self._issued}.pem"
        key = self._directory / f"{self._issued}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        text = issued.private_key_pem.bytes()
        if password:
            text = load_pem_private_key(text, None).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
            )
        key.write_bytes(text)
        return Files(str(certificate), str(key))

    def client(self, identity: Files | None = None) -> ssl.SSLContext:
        """What a client that trusts this authority connects with, and its own certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.file)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context
