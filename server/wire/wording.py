"""Requests as text for people: for MONITOR, and in errors about unknown commands."""

from __future__ import annotations

from commands.instance.client import Client

_ESCAPES = {
    0x5C: "\\\\",
    0x22: '\\"',
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
    0x07: "\\a",
    0x08: "\\b",
}


def monitor_line(now_ns: int, client: Client, argv: list[bytes], *, in_script: bool) -> str:
    seconds, rest = divmod(now_ns, 1_000_000_000)
    address = "lua" if in_script else client.address.decode("latin-1")
    words = " ".join(quote(word) for word in argv)
    return f"{seconds}.{rest // 1000:06d} [{client.db.index} {address}] {words}"


def quote(word: bytes) -> str:
    """A word in double quotes, with unprintable bytes escaped."""
    return (
        '"'
        + "".join(
            _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
            for byte in word
        )
        + '"'
    )


def unknown_command(argv: list[bytes]) -> bytes:
    # Redis prints these as C strings: a NUL ends each of them.
    shown = b""
    for word in argv[1:]:
        if len(shown) >= 128:
            break
        shown += b"'" + word.split(b"\0", 1)[0][: 128 - len(shown)] + b"' "
    name = argv[0].split(b"\0", 1)[0][:128]
    return b"ERR unknown command '%b', with args beginning with: %b" % (name, shown)


def unknown_subcommand(argv: list[bytes]) -> bytes:
    name = argv[0].upper()
    word = argv[1].split(b"\0", 1)[0][:128]
    return b"ERR unknown subcommand '%b'. Try %b HELP." % (word, name)
