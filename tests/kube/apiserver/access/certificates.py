"""A certificate authority of the cluster's own, the server's certificate and those of clients, by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unset
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default.svc
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Certificates:
    """What is needed for TLS; kept in a directory, and made only if it is not there.

    Args:
        directory: for `ca.crt`, `server.crt` and the keys.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = directory / "ca.crt"
        self._config = directory / "openssl.cnf"
        if not self.ca.exists():
            self._config.write_text(_CONFIG)
            self._make("ca", "/CN=kubernetes", "ca", signed=False)
            self._make("server", "/CN=kube-apiserver", "server", signed=True)

    def context(self) -> ssl.SSLContext:
        """For the server: clients may show a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._directory / "server.crt", self._directory / "server.key")
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self, user: str, groups: tuple[str, ...]) -> tuple[Path, Path]:
        """The certificate and the key of a user: CN is the user, each O is a group."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        name = f"client-{user.replace(':', '-')}"
        if not (self._directory / f"{name}.crt").exists():
            self._make(name, subject, "client", signed=True)
        return self._directory / f"{name}.crt", self._directory / f"{name}.key"

    def _make(self, name: str, subject: str, section: str, *, signed: bool) -> None:
        here = self._directory
        command = [
            "openssl",
            "req",
            "-x509",
            "-new",
            "-config",
            self._config,
            "-extensions",
            section,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            subject,
            "-keyout",
            here / f"{name}.key",
            "-out",
            here / f"{name}.crt",
        ]
        if signed:
            command += ["-CA", self.ca, "-CAkey", here / "ca.key"]
        subprocess.run(command, check=True, capture_output=True)
