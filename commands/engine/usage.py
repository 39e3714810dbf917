"""Arguments as a line of syntax, for help, errors and the command reference."""

from __future__ import annotations

from collections.abc import Sequence

from commands.engine.grammar import Argument

LINE_WIDTH = 79


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
        text = argument.unit or argument.name
    if argument.token is not None and argument.kind != "pure-token":
        text = f"{argument.token or chr(34) * 2} {text}"
    if argument.multiple:
        again = text if argument.multiple_token or argument.token is None else text.split(" ", 1)[1]
        # What is longer than a line need not be read twice.
        text = f"{text} [{again} ...]" if len(again) < LINE_WIDTH else f"{text} [...]"
    return f"[{text}]" if argument.optional else text
