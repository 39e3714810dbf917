"""Error replies of the domain families. Their first word is a code that clients switch on."""

from __future__ import annotations

from commands.engine.errors import CommandError

_LONGEST_NAME = 256


def failure(code: str, text: str, *names: bytes | str) -> CommandError:
    """An error such as `NOTFOUND no job 00ff in pool train`.

    Each `{}` in the text stands for one of `names`, which may hold anything; long ones are cut.
    The text is a literal wherever this is called: whatever is known only when the server runs
    is a name, because braces in it are not to be replaced.
    """
    first, *others = text.split("{}")
    parts = [code.encode(), b" ", first.encode()]
    for name, following in zip(names, others, strict=True):
        parts += (_shortened(name), following.encode())
    return CommandError(b"".join(parts))


def _shortened(name: bytes | str) -> bytes:
    if isinstance(name, str):
        name = name[:_LONGEST_NAME].encode("utf-8", "surrogateescape")
    return name[:_LONGEST_NAME]
