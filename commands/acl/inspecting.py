"""ACL: who I am, what users may do, what was refused."""

from __future__ import annotations

import secrets

from commands.engine.errors import CommandError, wrong_arity, wrong_subcommand
from commands.engine.grammar import Integer, OneOf, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from commands.instance.users.checks import Denial
from commands.instance.users.denials import Entry
from commands.instance.users.users import User

# Bytes of a name in an error.
_MOST_SHOWN = 128
_ADMIN = "admin noscript loading stale"
_MOST_BITS = 4096
_DEFAULT_BITS = 256
_BAD_BITS = (
    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
    f"number up to {_MOST_BITS}"
)
_ENTRIES_SHOWN = 10


@command(
    "ACL WHOAMI",
    group="server",
    since="6.0.0",
    flags="noscript loading stale",
    summary="Returns the user of the connection.",
)
def acl_whoami(ctx: Context, argv: list[bytes]) -> Reply:
    """> ACL WHOAMI
    "default"
    """
    return ctx.client.user.name


@command(
    "ACL CAT",
    group="server",
    since="6.0.0",
    flags="noscript loading stale",
    complexity="O(N) for N categories or commands.",
    summary="Lists the categories, or the commands of one.",
    arguments=[String("category", optional=True)],
)
def acl_cat(ctx: Context, argv: list[bytes]) -> Reply:
    """The last ones are those of the families that Redis does not have.

    > ACL CAT transaction
    1) "multi"
    2) "exec"
    3) "discard"
    4) "watch"
    5) "unwatch"
    """
    if len(argv) > 3:
        raise wrong_subcommand(argv)
    catalogue = ctx.instance.users.catalogue
    if len(argv) == 2:
        return [name.encode() for name in catalogue.categories()]
    name = argv[2].lower().decode("latin-1")
    if name not in catalogue.categories():
        raise CommandError(b"ERR Unknown category '%b'" % argv[2][:_MOST_SHOWN])
    return [found.wire_name.encode() for found in catalogue.listed_in(name)]


@command(
    "ACL GENPASS",
    group="server",
    since="6.0.0",
    flags="noscript loading stale",
    summary="Returns a random password.",
    arguments=[Integer("bits", optional=True)],
)
def acl_genpass(ctx: Context, argv: list[bytes]) -> Reply:
    """It has 64 hexadecimal digits, or as many as `bits` need. It is not set for any user."""
    if len(argv) > 3:
        raise wrong_subcommand(argv)
    bits = parse_integer(argv[2]) if len(argv) == 3 else _DEFAULT_BITS
    if not 0 < bits <= _MOST_BITS:
        raise CommandError(_BAD_BITS)
    digits = (bits + 3) // 4
    return secrets.token_hex((digits + 1) // 2)[:digits].encode()


@command(
    "ACL DRYRUN",
    group="server",
    since="7.0.0",
    flags=_ADMIN,
    summary="Tells whether a user may run a request, without running it.",
    arguments=[
        String("username"),
        String("command"),
        String("arg", optional=True, multiple=True),
    ],
)
def acl_dryrun(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns OK, or why not.

    > ACL SETUSER alice on >secret ~app:* +@read +set
    OK
    > ACL DRYRUN alice GET app:1
    OK
    > ACL DRYRUN alice GET other
    "User alice has no permissions to access the 'other' key"
    """
    user = ctx.instance.users.find(argv[2])
    if user is None:
        raise CommandError(b"ERR User '%b' not found" % argv[2])
    request = argv[3:]
    bound = ctx.instance.find_command(request)
    if bound is None or (bound.command.subcommands and len(request) > 1):
        raise CommandError(b"ERR Command '%b' not found" % argv[3])
    if not bound.command.accepts(len(request)):
        raise wrong_arity(bound.command.wire_name)
    denial = ctx.instance.users.denial(user, bound.command, request)
    return OK if denial is None else _explained(user, denial)


def _explained(user: User, denial: Denial) -> bytes:
    if denial.reason == "command":
        return b"User %b has no permissions to run the '%b' command" % (user.name, denial.object)
    kind = denial.reason.encode()
    shown = (user.name, denial.object, kind)
    return b"User %b has no permissions to access the '%b' %b" % shown


@command(
    "ACL LOG",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N entries.",
    summary="Lists the latest requests and logins that were refused, or forgets them.",
    arguments=[OneOf("operation", Integer("count"), Token("RESET", name="reset"), optional=True)],
    history=[("7.2.0", "Added `entry-id`, `timestamp-created` and `timestamp-last-updated`.")],
)
def acl_log(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns up to `count` (10) entries, the newest first; up to `acllog-max-len` are kept. What
    is refused again within a minute for the same reason is counted in the same entry. `object` is
    the command, key or channel, and `context` is `toplevel`, `multi` or `lua`.

        > ACL LOG RESET
        OK
        > ACL LOG
        (empty array)
    """
    if len(argv) > 3:
        raise wrong_subcommand(argv)
    denials = ctx.instance.users.denials
    count = _ENTRIES_SHOWN
    if len(argv) == 3:
        if argv[2].upper() == b"RESET":
            denials.clear()
            return OK
        count = max(0, parse_integer(argv[2]))
    now = ctx.instance.clock.now_ms()
    return [_described(entry, now) for entry in denials.entries[:count]]


def _described(entry: Entry, now: int) -> dict[bytes, Reply]:
    return {
        b"count": entry.count,
        b"reason": entry.reason.encode(),
        b"context": entry.context.encode(),
        b"object": entry.object,
        b"username": entry.username,
        b"age-seconds": (now - entry.updated_ms) / 1000,
        b"client-info": entry.client_info,
        b"entry-id": entry.ident,
        b"timestamp-created": entry.created_ms,
        b"timestamp-last-updated": entry.updated_ms,
    }
