"""Error replies of the domain families. Their first word is a code that clients switch on."""

from __future__ import annotations

from commands.engine.errors import CommandError

_LONGEST_NAME = 256


def failure(code: str, text: str | bytes, *names: bytes) -> CommandError:
    """An error such as `NOTFOUND no job 00ff in pool train`.

    Each `{}` in the text stands for one of `names`, which are bytes from a client; long ones
    are cut.
    """
    first, *others = (text.encode() if isinstance(text, str) else text).split(b"{}")
    # Joined rather than replaced: a name may contain braces.
    parts = zip(names, others, strict=True)
    line = first + b"".join(name[:_LONGEST_NAME] + part for name, part in parts)
    return CommandError(code.encode() + b" " + line)
