"""The lines of HELP, derived from declarations."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from commands.engine.registry import Command
from commands.engine.usage import LINE_WIDTH, usage

_INDENT = "    "


def help_lines(container: Command) -> list[str]:
    """The reply to `<container> HELP`: the syntax and summary of each subcommand."""
    lines = [f"{container.name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for word, subcommand in container.subcommands.items():
        if word != "HELP":
            lines += _entry(word, subcommand)
    return lines + _entry("HELP", container.subcommands["HELP"])


def family_help_lines(prefix: str, members: Sequence[Command]) -> list[str]:
    """The reply to `<prefix>.HELP`: the syntax and summary of each command of the family."""
    lines = [f"{prefix}.<command> [<arg> [value] [opt] ...]. Commands are:"]
    for member in members:
        if member.subcommands:
            for word, subcommand in member.subcommands.items():
                if word != "HELP":
                    lines += _entry(f"{member.name} {word}", subcommand)
        else:
            lines += _entry(member.name, member)
    return lines


def _entry(word: str, subcommand: Command) -> list[str]:
    syntax = f"{word} {usage(subcommand.arguments)}".rstrip()
    return [
        *wrap(syntax, LINE_WIDTH, subsequent_indent=" " * (len(word) + 1), break_on_hyphens=False),
        *wrap(subcommand.summary, LINE_WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT),
    ]
