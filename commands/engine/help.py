"""HELP of a container, derived from the declarations of its subcommands."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from commands.engine.grammar import Argument
from commands.engine.registry import Command

_INDENT = "    "
_WIDTH = 79


def help_lines(container: Command) -> list[str]:
    """What `<container> HELP` answers: for each subcommand its syntax and its summary."""
    lines = [f"{container.name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for word, subcommand in container.subcommands.items():
        if word != "HELP":
            lines += _entry(word, subcommand)
    return lines + _entry("HELP", container.subcommands["HELP"])


def family_help_lines(prefix: str, members: Sequence[Command]) -> list[str]:
    """What `<prefix>.HELP` answers: for each command of the family its syntax and summary."""
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
        *wrap(syntax, _WIDTH, subsequent_indent=" " * (len(word) + 1), break_on_hyphens=False),
        *wrap(subcommand.summary, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT),
    ]


def usage(arguments: Sequence[Argument]) -> str:
    """The arguments as a line of syntax: `key [COUNT count] [key ...]`."""
    return " ".join(_usage(argument) for argument in arguments)


def _usage(argument: Argument) -> str:
    if argument.kind == "pure-token":
        text = argument.token or ""
    elif argument.kind == "oneof":
        text = " | ".join(_usage(part) for part in argument.parts)
        if not argument.optional or argument.token:
            text = f"<{text}>"
    elif argument.kind == "block":
        text = usage(argument.parts)
    else:
        text = argument.name
    if argument.token is not None and argument.kind != "pure-token":
        text = f"{argument.token or chr(34) * 2} {text}"
    if argument.multiple:
        again = text if argument.multiple_token or argument.token is None else text.split(" ", 1)[1]
        # What is longer than a line need not be read twice.
        text = f"{text} [{again} ...]" if len(again) < _WIDTH else f"{text} [...]"
    return f"[{text}]" if argument.optional else text
