"""The `redkeep` command.

Functions import the server's packages themselves, after `bundled.use`: in an installed
Redkeep only the server's own process may have those packages on its import path.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from redkeep import __version__, bundled
from redkeep.new_files import created

if TYPE_CHECKING:
    from commands.settings.setting import Setting


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="redkeep")
def main() -> None:
    """Redkeep: a Redis-protocol server in Python.

    Start a server on 127.0.0.1:6379 with `redkeep serve` and connect to it with any Redis
    client. The other commands work on data files, without a server.
    """


class _ServeCommand(click.Command):
    """A command that takes Redis' command line: a config file, then --setting value ..."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # No value of a setting begins with two dashes, so these are options anywhere.
        if "--help" in args or args[:1] == ["-h"]:
            click.echo(ctx.get_help())
            ctx.exit()
        if "--help-settings" in args:
            click.echo(_all_settings(), nl=False)
            ctx.exit()
        ctx.params["words"] = tuple(args)
        return []

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[CONFIG-FILE] [--SETTING VALUE ...] [-]")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        bundled.use()
        from commands.settings.settings import BY_NAME

        with formatter.section("Common settings"):
            formatter.write_dl(_setting_rows(BY_NAME[name] for name in _COMMON_SETTINGS))
        with formatter.section("Options"):
            formatter.write_dl(
                [
                    ("--help-settings", "Show all settings and exit."),
                    ("-h, --help", "Show this message and exit."),
                ]
            )


_COMMON_SETTINGS = (
    "port",
    "bind",
    "unixsocket",
    "requirepass",
    "databases",
    "maxclients",
    "maxmemory",
    "dir",
    "appendonly",
    "appendfsync",
    "save",
    "timeout",
    "loglevel",
    "logfile",
)


def serve_defaults() -> dict[str, str]:
    """The settings whose defaults differ in `redkeep serve`: a started server keeps its data."""
    bundled.use()
    from server.process import DEFAULT_DIRECTORY

    return {"dir": DEFAULT_DIRECTORY, "appendonly": "yes"}


@main.command(cls=_ServeCommand)
@click.argument("words", nargs=-1)
def serve(words: tuple[str, ...]) -> None:
    """Start a server and run it until it is stopped.

    Settings have the same names as in redis.conf. Give them in a file of that format, on
    the command line, or both; the command line takes precedence. A single - reads settings
    from standard input:

    \b
      redkeep serve
      redkeep serve --port 7000 --requirepass secret
      redkeep serve my.conf --maxmemory 100mb

    By default the data is kept in ./redkeep-data: every write is logged, the log is forced
    to disk once a second, and snapshots are taken from time to time. To run a pure cache
    that writes no files:

    \b
      redkeep serve --save '' --appendonly no
    """
    bundled.use()
    from commands.engine.words import printable
    from commands.settings import config_file
    from commands.settings.config_file import ConfigError
    from commands.settings.settings import Settings
    from server.process import StartError, serve_forever

    settings = Settings(serve_defaults())
    rest = list(words)
    try:
        unknown = []
        if rest and rest[0] != "-" and not rest[0].startswith("--"):
            unknown += config_file.load(settings, rest.pop(0))
        if rest[:1] == ["-"] or rest[-1:] == ["-"]:
            rest.pop(0 if rest[0] == "-" else -1)
            unknown += config_file.apply(settings, config_file.read_standard_input())
        unknown += config_file.apply(settings, config_file.from_arguments(rest))
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    for directive in unknown:
        raise click.ClickException(str(directive.error(_unknown_setting(directive.name))))
    try:
        serve_forever(settings, lambda line: click.echo(f"Redkeep {__version__} {printable(line)}"))
    except StartError as error:
        raise click.ClickException(printable(str(error))) from None


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Cut a damaged log after its last complete request.")
@click.option("--yes", "sure", is_flag=True, help="With --fix, do not ask for confirmation.")
def check(path: Path, fix: bool, sure: bool) -> None:
    """Check data files for damage and show what they contain.

    PATH is a snapshot, an append-only log, or a data directory.

    --fix cuts only a regular file that begins with a valid request or a snapshot, and keeps a
    copy of the whole file beside it.

    The report shows the number of keys of each type, the largest keys, and the offset of
    any damage. The exit status is 0 if everything is intact and 1 otherwise. Do not run
    this on files that a running server is writing.
    """
    from redkeep.check import check

    if not check(path, fix=fix, sure=sure):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path), default="-")
def export(source: Path, target: Path) -> None:
    """Export data files as JSON, one line per key.

    SOURCE is a snapshot, an append-only log, or a data directory. TARGET is the file to
    create, which only you may read; an existing file is not overwritten. Without TARGET, the
    lines go to standard output.
    """
    from redkeep.transfer import export

    if str(target) == "-":
        count = export(source, sys.stdout.buffer)
    else:
        with created(target) as file:
            count = export(source, file)
    click.echo(f"{_keys(count)} exported", err=True)


@main.command("import")
@click.argument("source", type=click.File("rb"))
@click.argument("target", type=click.Path(path_type=Path))
def import_(source: IO[bytes], target: Path) -> None:
    """Create a snapshot from lines of JSON.

    SOURCE is a file that `redkeep export` wrote, or - for standard input. TARGET is the
    snapshot to create, which only you may read; an existing file is not overwritten.

    To load the snapshot, name it dump.rdb and put it into the data directory of a server.
    A server that keeps a log, as it does by default, loads a snapshot only if the directory
    has no log yet.
    """
    from redkeep.transfer import import_

    size = os.fstat(source.fileno()).st_size if source.seekable() else None
    count = import_(source, size, target)
    click.echo(f"{_keys(count)} imported into {target}", err=True)


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count:,} keys"


def _unknown_setting(name: str) -> str:
    from commands.settings.settings import BY_NAME

    near = difflib.get_close_matches(name, BY_NAME, n=1)
    return "there is no such setting" + (f"; did you mean '{near[0]}'?" if near else "")


def _setting_rows(settings: Iterable[Setting[object]]) -> list[tuple[str, str]]:
    changed = serve_defaults()
    rows = []
    for setting in settings:
        default = changed.get(setting.name, setting.default)
        shown = f" [default: {default}]" if default else ""
        rows.append((f"--{setting.name}", setting.help + shown))
    return rows


def _all_settings() -> str:
    bundled.use()
    from commands.settings.settings import TABLE

    formatter = click.HelpFormatter(width=100)
    with formatter.section("Settings"):
        formatter.write_dl(_setting_rows(setting for setting in TABLE if not setting.inert))
    formatter.write_paragraph()
    formatter.write_text(
        "Other settings of redis.conf are accepted and remembered but have no effect; "
        "docs/SETTINGS.md lists them."
    )
    return formatter.getvalue()
