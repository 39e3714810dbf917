"""Creating files for users: exclusively, never through links, readable by their owner only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import click

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o600


def create(path: Path) -> BinaryIO:
    """Create a file; FileExistsError if there is anything of that name, even a dangling link."""
    return os.fdopen(os.open(path, _FLAGS, _PRIVATE), "wb")


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """Create a file to write, which is removed again if that fails; ClickException says why."""
    try:
        file = create(path)
    except FileExistsError:
        raise click.ClickException(f"{path} already exists and is not overwritten") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
        raise
