"""Throughput over TLS, with a certificate made for the run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from scripts.benchmarks.drivers import run_load
from scripts.benchmarks.rows import Row
from scripts.benchmarks.sampling import alternate, median_ratio
from scripts.benchmarks.servers import REDKEEP, REFERENCE, Server, free_port
from scripts.benchmarks.session import Session

_HOLD, _REACH = 0.5, 0.9


def measure(session: Session) -> Iterator[Row]:
    count = str(session.scaled(200_000, 20_000))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="redkeep-bench-")))
        certificate, key = _certificate(folder)
        ours_port, theirs_port = free_port(), free_port()
        for program, port in ((REDKEEP, ours_port), (REFERENCE, theirs_port)):
            options = [
                *("--tls-port", str(port), "--tls-auth-clients", "no"),
                *("--tls-cert-file", certificate, "--tls-key-file", key),
            ]
            stack.enter_context(Server(program, *options))
        for name in ("GET", "SET"):
            words = ("-t", name.lower(), "-n", count, "-c", "50", "--tls", "--cacert", certificate)
            loads = alternate(
                session.rounds,
                partial(run_load, ours_port, *words),
                partial(run_load, theirs_port, *words),
            )
            ratio = median_ratio(
                (ours.requests_per_second, theirs.requests_per_second) for ours, theirs in loads
            )
            yield Row(f"{name}, TLS, 50 clients", ratio, _HOLD, _REACH)


def _certificate(folder: Path) -> tuple[str, str]:
    """A certificate that is its own authority, and its key."""
    program = shutil.which("openssl")
    if program is None:
        raise click.ClickException("openssl is not installed")
    certificate, key = folder / "server.crt", folder / "server.key"
    subprocess.run(  # noqa: S603
        [
            *(program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(key)
