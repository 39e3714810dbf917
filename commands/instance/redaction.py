"""Removing passwords and user names from requests shown in the slow log and to monitors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from commands.settings.settings import Settings

_REDACTED = b"(redacted)"


def redacted(argv: list[bytes]) -> list[bytes]:
    """Return the request without its secrets; the same list if it cannot contain any."""
    find = _FINDERS.get(argv[0].upper())
    if find is None:
        return argv
    secret = {place for place in find(argv) if place < len(argv)}
    return [_REDACTED if place in secret else word for place, word in enumerate(argv)]


def _of_auth(argv: list[bytes]) -> Iterable[int]:
    return range(1, len(argv))


def _of_hello(argv: list[bytes]) -> Iterable[int]:
    at = 2
    while at < len(argv):
        option = argv[at].upper()
        if option == b"AUTH":
            yield from (at + 1, at + 2)
        # The value of an option is not an option, even if it reads like one.
        at += {b"AUTH": 3, b"SETNAME": 2}.get(option, 1)


def _of_config(argv: list[bytes]) -> Iterable[int]:
    if len(argv) < 2 or argv[1].upper() != b"SET":
        return ()
    settings = (Settings.find(name.decode("latin-1")) for name in argv[2::2])
    return (
        3 + 2 * place
        for place, setting in enumerate(settings)
        if setting is not None and setting.secret
    )


def _of_acl(argv: list[bytes]) -> Iterable[int]:
    shown = len(argv) < 2 or argv[1].upper() not in (b"SETUSER", b"GETUSER", b"DELUSER")
    return () if shown else range(2, len(argv))


def _of_migrate(argv: list[bytes]) -> Iterable[int]:
    at = 6
    while at < len(argv) and (option := argv[at].upper()) != b"KEYS":
        secrets = {b"AUTH": 1, b"AUTH2": 2}.get(option, 0)
        yield from range(at + 1, at + 1 + secrets)
        at += 1 + secrets


_FINDERS: dict[bytes, Callable[[list[bytes]], Iterable[int]]] = {
    b"AUTH": _of_auth,
    b"HELLO": _of_hello,
    b"CONFIG": _of_config,
    b"ACL": _of_acl,
    b"MIGRATE": _of_migrate,
}
