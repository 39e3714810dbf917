"""`redkeep check`: is this data whole, and what is in it?

Runs in a process of its own, with the server's packages, and never beside a server that
writes the same files.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from redkeep import bundled

_LARGEST_SHOWN = 10


def check(path: Path, *, fix: bool, sure: bool) -> bool:
    """Describe the data at a path; whether all of it is whole (afterwards, with `fix`)."""
    bundled.use()
    from server.persistence import inspection

    try:
        found = inspection.sources(path)
    except inspection.NotFound as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}") from None
    console = Console(highlight=False, soft_wrap=True)
    fine = True
    for source in found:
        fine = _check_source(console, source, fix=fix, sure=sure) and fine
    return fine


def _check_source(console: Console, source: object, *, fix: bool, sure: bool) -> bool:
    from server.persistence import inspection
    from server.progress import LoadProgress

    assert isinstance(source, inspection.Source)
    fine = not source.problem
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
        facts = ", ".join([report.kind, f"{file.stat().st_size:,} bytes", *report.facts])
        console.print(f"{file}: {facts}", markup=False)
        if report.problem:
            console.print(f"  {report.problem}", style="red", markup=False)
            is_last = number == len(source.files) - 1
            mended = fix and is_last and report.whole is not None and _cut(report, sure=sure)
            fine = fine and mended
    progress = LoadProgress()
    keyspace, _ = inspection.load(source, progress.show)
    progress.close()
    _describe(console, inspection.contents(keyspace, _LARGEST_SHOWN))
    return fine


def _cut(report: object, *, sure: bool) -> bool:
    """Cut a log after its last whole request, if its owner wants that."""
    from server.persistence import inspection

    assert isinstance(report, inspection.FileReport) and report.whole is not None
    path, size = report.path, report.path.stat().st_size
    lost = size - report.whole
    what = (
        f"The last {lost:,} bytes are an unfinished write. Cut them off?"
        if report.is_cut
        else f"All {lost:,} bytes after the damage would be lost, good requests among them. Cut?"
    )
    if not sure and not click.confirm(what):
        return False
    copy = path.with_name(path.name + ".before-fix")
    shutil.copy2(path, copy)
    os.truncate(path, report.whole)
    click.echo(f"{path} was cut to {report.whole:,} bytes; as it was, it is now {copy.name}")
    return True


def _describe(console: Console, contents: object) -> None:
    from server.persistence import inspection

    assert isinstance(contents, inspection.Contents)
    if not contents.types:
        console.print("There are no keys.")
        return
    kinds = sorted({kind for counts in contents.types.values() for kind in counts})
    table = Table("database", "keys", *kinds, title="Keys", title_justify="left")
    for index, counts in contents.types.items():
        numbers = (f"{counts.get(kind, 0):,}" for kind in kinds)
        table.add_row(str(index), f"{sum(counts.values()):,}", *numbers)
    console.print(table)
    console.print(f"{contents.with_deadline:,} of them have a deadline.")
    table = Table("database", "key", "type", "elements", "memory", title="Largest keys")
    for size, elements, index, key, kind in contents.largest:
        table.add_row(str(index), _shown(key), kind, f"{elements:,}", f"{size:,}")
    console.print(table)


def _shown(key: bytes) -> str:
    text = key[:60].decode("utf-8", "backslashreplace")
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return printable.replace("[", "\\[") + ("..." if len(key) > 60 else "")
