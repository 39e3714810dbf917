"""The first line of a script: `#!lua flags=no-writes,allow-stale`."""

from __future__ import annotations

from commands.engine.errors import CommandError

FLAGS = frozenset(
    {b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys"}
)


def split_shebang(body: bytes) -> tuple[bytes, frozenset[bytes] | None]:
    """The script without its first line, which stays as an empty one, and the flags in it;
    None without such a line."""
    if not body.startswith(b"#!"):
        return body, None
    line, newline, rest = body.partition(b"\n")
    if not newline:
        raise CommandError("ERR Invalid script shebang")
    engine, *options = line.split()
    if engine != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + engine)
    flags: set[bytes] = set()
    for option in options:
        if not option.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: " + option)
        for flag in option[len(b"flags=") :].split(b","):
            if flag and flag not in FLAGS:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + flag)
            flags.add(flag)
    return newline + rest, frozenset(flags)
