"""The `redkeep` command.

Imports of the server's packages happen inside the functions, after `bundled.use`: an
installed Redkeep keeps them out of everybody's import path but the server's own.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import IO, Any

import click

from redkeep import __version__, bundled


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="redkeep")
def main() -> None:
    """Redkeep: a Redis-protocol server in Python.

    Any Redis client can use it. `redkeep serve` starts one on 127.0.0.1:6379.
    """


class _ServeCommand(click.Command):
    """Takes Redis' own command line: a config file, then --setting value ..."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] in ("-h", "--help"):
            click.echo(ctx.get_help())
            ctx.exit()
        if args and args[0] == "--help-settings":
            click.echo(_describe_settings(), nl=False)
            ctx.exit()
        ctx.params["words"] = tuple(args)
        return []

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[CONFIG-FILE] [--SETTING VALUE ...]")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Settings used most"):
            formatter.write_dl(_setting_rows(_USED_MOST))
        formatter.write_paragraph()
        formatter.write_text("redkeep serve --help-settings shows all of them.")


_USED_MOST = (
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


@main.command(cls=_ServeCommand)
@click.argument("words", nargs=-1)
def serve(words: tuple[str, ...]) -> None:
    """Serve Redis clients until stopped.

    Settings have the names they have in redis.conf and can stand in a file of that form,
    on the command line, or both (the command line wins):

    \b
      redkeep serve
      redkeep serve --port 7000 --requirepass secret
      redkeep serve my.conf --maxmemory 100mb

    Data is kept in ./redkeep-data: every write is logged and forced to disk once a
    second, and snapshots are taken besides. For a pure cache, which leaves no files:

    \b
      redkeep serve --save '' --appendonly no
    """
    bundled.use()
    from commands.settings.config_file import ConfigError, apply, from_arguments, load
    from commands.settings.settings import Settings
    from server.process import DEFAULT_DIRECTORY, StartError, serve_forever

    settings = Settings()
    # An instance is in memory by itself; a server that somebody starts keeps its data.
    settings.set(Settings.dir, DEFAULT_DIRECTORY)
    settings.set(Settings.appendonly, True)
    rest = list(words)
    try:
        others = []
        if rest and not rest[0].startswith("--"):
            others += load(settings, rest.pop(0))
        others += apply(settings, from_arguments(rest))
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    for directive in others:
        raise click.ClickException(str(directive.error(_unknown(directive.name))))
    try:
        serve_forever(settings, lambda line: click.echo(f"Redkeep {__version__} {line}"))
    except StartError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Cut a damaged log after its last whole request.")
@click.option("--yes", "sure", is_flag=True, help="Do so without asking.")
def check(path: Path, fix: bool, sure: bool) -> None:
    """Verify and describe data files: a snapshot, a log, or a whole data directory.

    Shows keys per type, the largest keys, and what is damaged or cut off, with its offset.
    The exit status is 0 if all is whole. No server may be writing the files meanwhile.
    """
    from redkeep.check import check

    if not check(path, fix=fix, sure=sure):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.File("wb"), default="-")
def export(source: Path, target: IO[bytes]) -> None:
    """Write data files as lines of JSON, one for each key.

    SOURCE is a snapshot, a log, or a data directory; TARGET a file, or else the output.
    """
    from redkeep.transfer import export

    count = export(source, target)
    click.echo(f"{count:,} keys exported", err=True)


@main.command("import")
@click.argument("source", type=click.File("rb"))
@click.argument("target", type=click.Path(path_type=Path))
def import_(source: IO[bytes], target: Path) -> None:
    """Make a snapshot of lines of JSON, as `redkeep export` writes them.

    A server with --appendonly no loads it as dump.rdb of its directory, and one with a log
    does if it has no log yet.
    """
    from redkeep.transfer import import_

    size = os.fstat(source.fileno()).st_size if source.seekable() else None
    count = import_(source, size, target)
    click.echo(f"{count:,} keys imported into {target}", err=True)


def _unknown(name: str) -> str:
    from commands.settings.settings import BY_NAME

    near = difflib.get_close_matches(name, BY_NAME, n=1)
    return "there is no such setting" + (f"; did you mean '{near[0]}'?" if near else "")


def _setting_rows(names: Any = None) -> list[tuple[str, str]]:
    bundled.use()
    from commands.settings.settings import BY_NAME, TABLE

    settings = TABLE if names is None else [BY_NAME[name] for name in names]
    rows = []
    for setting in settings:
        if names is None and setting.inert:
            continue
        default = f" [default: {setting.default}]" if setting.default else ""
        rows.append((f"--{setting.name}", setting.help + default))
    return rows


def _describe_settings() -> str:
    formatter = click.HelpFormatter(width=100)
    with formatter.section("Settings"):
        formatter.write_dl(_setting_rows())
    formatter.write_paragraph()
    formatter.write_text(
        "Other settings of redis.conf are accepted and remembered, but change nothing here; "
        "docs/SETTINGS.md lists them."
    )
    return formatter.getvalue()
