"""ACL: defining users."""

from __future__ import annotations

import logging

from commands.engine.containers import container
from commands.engine.errors import CommandError
from commands.engine.grammar import String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply, SetReply
from commands.instance.context import Context
from commands.instance.users.rules import RuleError, UnmatchedParenthesis, is_user_name
from commands.instance.users.selectors import Selector
from commands.instance.users.table import DEFAULT
from commands.instance.users.user_files import UserFileError

logger = logging.getLogger("redkeep")

_NO_FILE = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration."
)
_ADMIN = "admin noscript loading stale"
_TO_ALL_NODES = ["request_policy:all_nodes", "response_policy:all_succeeded"]

container(
    "ACL",
    group="server",
    since="6.0.0",
    help_since="6.0.0",
    summary="Contains commands for users and what they may do.",
)


@command(
    "ACL SETUSER",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N rules.",
    summary="Creates or changes a user.",
    arguments=[String("username"), String("rule", optional=True, multiple=True)],
    tips=_TO_ALL_NODES,
    history=[
        ("6.2.0", "Added rules for channels."),
        ("7.0.0", "Added selectors, and rules for reading or writing keys."),
    ],
)
def acl_setuser(ctx: Context, argv: list[bytes]) -> Reply:
    """The rules are applied in their order, all of them or none. A new user is off, has no password
    and may do nothing. Clients of a user that changes keep their connections, but for subscribers
    of channels that were taken away.

    | rule | effect |
    |---|---|
    | `on`, `off` | the user can log in, or cannot |
    | `>password`, `<password` | adds or removes a password |
    | `#hash`, `!hash` | the same, with the SHA-256 of a password |
    | `nopass`, `resetpass` | any password is right; removes all passwords and `nopass` |
    | `~pattern`, `%R~pattern`, `%W~pattern` | allows keys; to read; to write |
    | `allkeys`, `resetkeys` | allows all keys; removes all patterns |
    | `&pattern`, `allchannels`, `resetchannels` | the same for channels |
    | `+command`, `-command` | allows or denies a command, or a subcommand: `+config\\|get` |
    | `+command\\|word` | allows a command only with this first argument |
    | `+@category`, `-@category` | allows or denies the commands of a category |
    | `allcommands`, `nocommands` | the same as `+@all` and `-@all` |
    | `(rule ...)`, `clearselectors` | adds a selector, a further set of permissions; removes all |
    | `reset` | makes the user one that is off and may do nothing |

    Commands on collections (`CP.PUT acme ...`) need permission for the keys of the collection,
    such as `~entelix:cp:acme:*`.

        > ACL SETUSER alice on >secret ~app:* +@read +set
        OK
        > ACL GETUSER alice
        1) "flags"
        2) 1) "on"
        3) "passwords"
        4) 1) "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
        5) "commands"
        6) "-@all +@read +set"
        7) "keys"
        8) "~app:*"
        9) "channels"
        10) ""
        11) "selectors"
        12) (empty array)
    """
    name = argv[2]
    if not is_user_name(name):
        raise CommandError("ERR Usernames can't contain spaces or null characters")
    try:
        ctx.instance.users.change(name, argv[3:])
    except RuleError as error:
        shown = (error.rule, error.reason.encode())
        raise CommandError(b"ERR Error in ACL SETUSER modifier '%b': %b" % shown) from None
    except UnmatchedParenthesis as error:
        raise CommandError(
            b"ERR Unmatched parenthesis in acl selector starting at '%b'." % error.start
        ) from None
    return OK


@command(
    "ACL GETUSER",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N passwords, commands and patterns of the user.",
    summary="Describes a user.",
    arguments=[String("username")],
    history=[
        ("6.2.0", "Added rules for channels."),
        ("7.0.0", "Added selectors, and shows keys and channels as rules."),
    ],
)
def acl_getuser(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns nil if there is no such user. Passwords are shown as their SHA-256.

    > ACL GETUSER nobody
    (nil)
    """
    user = ctx.instance.users.find(argv[2])
    if user is None:
        return None
    first, *others = user.selectors
    return {
        b"flags": SetReply(user.flags),
        b"passwords": list(user.passwords),
        **_permissions(first),
        b"selectors": [_permissions(each) for each in others],
    }


def _permissions(selector: Selector) -> dict[bytes, Reply]:
    return {
        b"commands": selector.show_commands(),
        b"keys": selector.show_keys(),
        b"channels": selector.show_channels(),
    }


@command(
    "ACL DELUSER",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N clients.",
    summary="Removes users and closes the connections of their clients.",
    arguments=[String("username", multiple=True)],
    tips=_TO_ALL_NODES,
)
def acl_deluser(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns the number of users that were removed.

    > ACL SETUSER bob
    OK
    > ACL DELUSER bob nobody
    (integer) 1
    """
    if DEFAULT in argv[2:]:
        raise CommandError("ERR The 'default' user cannot be removed")
    return sum(ctx.instance.users.remove(name) for name in argv[2:])


@command(
    "ACL LIST",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N users.",
    summary="Lists the users as lines of a configuration file.",
)
def acl_list(ctx: Context, argv: list[bytes]) -> Reply:
    """Each line has the rules that make the user.

    > ACL DELUSER alice
    (integer) 1
    > ACL SETUSER guest on nopass ~public:* +get
    OK
    > ACL LIST
    1) "user default on nopass ~* &* +@all"
    2) "user guest on nopass ~public:* resetchannels -@all +get"
    """
    return [user.line() for user in ctx.instance.users]


@command(
    "ACL USERS",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N users.",
    summary="Lists the names of the users.",
)
def acl_users(ctx: Context, argv: list[bytes]) -> Reply:
    """Sorted by name.

    > ACL USERS
    1) "default"
    2) "guest"
    """
    return [user.name for user in ctx.instance.users]


# --- the ACL file -----------------------------------------------------------------------------


@command(
    "ACL LOAD",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N users.",
    summary="Replaces the users by those of the ACL file.",
)
def acl_load(ctx: Context, argv: list[bytes]) -> Reply:
    """If a line is not valid, nothing changes, and the error names each such line. Clients of users
    that are not in the file are disconnected.
    """
    if not ctx.instance.settings.aclfile:
        raise CommandError(_NO_FILE)
    try:
        ctx.instance.users.load_file()
    except UserFileError as error:
        raise CommandError(b"ERR " + error.text) from None
    return OK


@command(
    "ACL SAVE",
    group="server",
    since="6.0.0",
    flags=_ADMIN,
    complexity="O(N) for N users.",
    summary="Writes the users into the ACL file.",
    tips=_TO_ALL_NODES,
)
def acl_save(ctx: Context, argv: list[bytes]) -> Reply:
    """The file is replaced at once, so that a crash leaves the old one or the new one, and only its
    owner may read it.
    """
    if not ctx.instance.settings.aclfile:
        raise CommandError(_NO_FILE)
    try:
        ctx.instance.users.save_file()
    except (OSError, UserFileError) as error:
        logger.error("Saving the users failed: %s", error)
        raise CommandError(
            "ERR There was an error trying to save the ACLs. Please check the server logs for "
            "more information"
        ) from None
    return OK
