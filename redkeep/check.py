"""`redkeep check`: verify data files and describe what they contain.

It loads the server's packages into its own process. No server may write the same files
while it runs.
"""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from rich.console import Console
from rich.table import Table

from redkeep import bundled
from redkeep.new_files import create

if TYPE_CHECKING:
    from server.persistence.inspection import Contents, FileReport, Source

_LARGEST_SHOWN = 10


def check(path: Path, *, fix: bool, sure: bool) -> bool:
    """Describe the data at a path. Returns whether it is intact, or has been fixed."""
    bundled.use()
    from server.persistence import inspection

    try:
        found = inspection.sources(path)
    except inspection.NotFound as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}") from None
    console = Console(highlight=False, soft_wrap=True)
    intact = True
    for source in found:
        intact = _check_source(console, source, fix=fix, sure=sure) and intact
    return intact


def _check_source(console: Console, source: Source, *, fix: bool, sure: bool) -> bool:
    from server.persistence import inspection
    from server.progress import LoadProgress

    intact = not source.problem
    if source.problem:
        console.print(f"{source.title}: {source.problem}", style="red", markup=False)
    elif [source.title] != source.files:
        console.print(f"{source.title}: lists {len(source.files)} files", markup=False)
    for number, file in enumerate(source.files):
        progress = LoadProgress()
        try:
            report = inspection.examine(file, progress.show)
        except OSError as error:
            raise click.ClickException(f"cannot read {file}: {error.strerror}") from None
        finally:
            progress.close()
        facts = ", ".join([report.kind, f"{report.size:,} bytes", *report.facts])
        console.print(f"{file}: {facts}", markup=False)
        if report.problem:
            console.print(f"  {report.problem}", style="red", markup=False)
            is_last = number == len(source.files) - 1
            fixed = fix and is_last and report.can_be_cut and _cut(report, sure=sure)
            intact = intact and fixed
    progress = LoadProgress()
    instance, problem = inspection.load(source, progress.show)
    progress.close()
    if problem and intact:
        # Each file is valid by itself, but a server would still refuse it.
        console.print(problem, style="red", markup=False)
        intact = False
    _describe(console, inspection.contents(instance.keyspace, _LARGEST_SHOWN))
    return intact


def _cut(report: FileReport, *, sure: bool) -> bool:
    """Cut a log after its last complete request, once the user has confirmed it."""
    from server.persistence import inspection

    path = report.path
    try:
        with inspection.open_to_cut(report) as file:
            lost = report.size - report.whole_bytes
            question = (
                f"The last {lost:,} bytes are an incomplete write. Cut them off?"
                if report.is_cut
                else (
                    "Cutting the log here also drops intact requests after the damage: "
                    f"{lost:,} bytes in all. Cut?"
                )
            )
            if not sure and not click.confirm(question):
                return False
            copy = _keep_copy(file, path)
            os.ftruncate(file.fileno(), report.whole_bytes)
            os.fsync(file.fileno())
    except inspection.NotALog as error:
        raise click.ClickException(f"{path} is not changed: {error}") from None
    except OSError as error:
        raise click.ClickException(f"cannot cut {path}: {error.strerror}") from None
    click.echo(
        f"{path} was cut to {report.whole_bytes:,} bytes; a copy of the original is {copy.name}"
    )
    return True


def _keep_copy(file: BinaryIO, path: Path) -> Path:
    """Copy the file to a new one beside it, and return its name; OSError if it is not complete."""
    for number in count(1):
        copy = path.with_name(f"{path.name}.before-fix" + (f"-{number}" if number > 1 else ""))
        try:
            target = create(copy)
        except FileExistsError:
            continue
        try:
            with target:
                shutil.copyfileobj(file, target)
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            copy.unlink()
            raise
        return copy
    raise AssertionError


def _describe(console: Console, contents: Contents) -> None:
    if not contents.types:
        console.print("There are no keys.")
        return
    kinds = sorted({kind for counts in contents.types.values() for kind in counts})
    table = Table("database", "keys", *kinds, title="Keys", title_justify="left")
    for index, counts in contents.types.items():
        numbers = (f"{counts.get(kind, 0):,}" for kind in kinds)
        table.add_row(str(index), f"{sum(counts.values()):,}", *numbers)
    console.print(table)
    console.print(f"Keys with an expiry time: {contents.with_deadline:,}")
    table = Table("database", "key", "type", "elements", "memory", title="Largest keys")
    for size, elements, index, key, kind in contents.largest:
        table.add_row(str(index), _shown(key), kind, f"{elements:,}", f"{size:,}")
    console.print(table)


def _shown(key: bytes) -> str:
    text = key[:60].decode("utf-8", "backslashreplace")
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return printable.replace("[", "\\[") + ("..." if len(key) > 60 else "")
