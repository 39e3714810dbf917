"""CLIENT TRACKING and its companions: client-side caching."""

from __future__ import annotations

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, OneOf, String, Token
from commands.engine.registry import command
from commands.engine.replies import OK, Reply, SetReply
from commands.instance.client import Client
from commands.instance.context import Context
from commands.instance.tracker import Tracker

_SAME_MODE = (
    "ERR You can't switch {} mode {}before disabling tracking for this client, and then "
    "re-enabling it with a different mode."
)
_OVERLAP = (
    b"ERR Prefix '%b' overlaps with %b prefix '%b'. Prefixes for a single client must not overlap."
)


class _Options:
    """The parsed options of CLIENT TRACKING."""

    def __init__(self, ctx: Context, argv: list[bytes]) -> None:
        self.redirect = 0
        self.prefixes: list[bytes] = []
        self.words: set[bytes] = set()
        arguments = Arguments(argv, 3)
        while arguments:
            option = arguments.option()
            if option == b"REDIRECT" and arguments:
                if self.redirect:
                    raise CommandError("ERR A client can only redirect to a single other client")
                self.redirect = arguments.integer()
                if self.redirect not in ctx.instance.clients:
                    raise CommandError("ERR The client ID you want redirect to does not exist")
            elif option == b"PREFIX" and arguments:
                self.prefixes.append(arguments.word())
            elif option in (b"BCAST", b"OPTIN", b"OPTOUT", b"NOLOOP"):
                self.words.add(option)
            else:
                raise CommandError(SYNTAX)

    @property
    def opt(self) -> str:
        return "in" if b"OPTIN" in self.words else "out" if b"OPTOUT" in self.words else ""

    def check(self, tracker: Tracker | None) -> None:
        """Refuse options that contradict each other, or what the client has turned on."""
        broadcast = b"BCAST" in self.words
        if self.prefixes and not broadcast:
            raise CommandError("ERR PREFIX option requires BCAST mode to be enabled")
        if tracker is not None and tracker.is_on and bool(tracker.prefixes) != broadcast:
            raise CommandError(_SAME_MODE.format("BCAST", "on/off "))
        if broadcast and self.opt:
            raise CommandError("ERR OPTIN and OPTOUT are not compatible with BCAST")
        if self.words >= {b"OPTIN", b"OPTOUT"}:
            raise CommandError("ERR You can't specify both OPTIN mode and OPTOUT mode")
        if tracker is not None and {tracker.opt, self.opt} == {"in", "out"}:
            raise CommandError(_SAME_MODE.format("OPTIN/OPTOUT", ""))
        if broadcast:
            self._check_overlaps([] if tracker is None else sorted(tracker.prefixes))

    def _check_overlaps(self, existing: list[bytes]) -> None:
        for at, prefix in enumerate(self.prefixes):
            for what, others in (
                (b"an existing", existing),
                (b"another provided", self.prefixes[at + 1 :]),
            ):
                for other in others:
                    if prefix.startswith(other) or other.startswith(prefix):
                        raise CommandError(_OVERLAP % (prefix, what, other))


@command(
    "CLIENT TRACKING",
    group="connection",
    since="6.0.0",
    flags="noscript loading stale",
    complexity="O(1)",
    summary="Turns invalidation messages for keys cached by the client on or off.",
    arguments=[
        OneOf("status", Token("ON"), Token("OFF")),
        Integer("client-id", "REDIRECT", optional=True),
        String("prefix", "PREFIX", optional=True, multiple=True, multiple_token=True),
        Token("BCAST", optional=True),
        Token("OPTIN", optional=True),
        Token("OPTOUT", optional=True),
        Token("NOLOOP", optional=True),
    ],
)
def client_tracking(ctx: Context, argv: list[bytes]) -> Reply:
    """Sends `invalidate` messages for the keys that the connection reads, when they change.

    - `REDIRECT` sends them to another connection: in RESP2, as messages to a subscriber of the
      channel `__redis__:invalidate`.
    - `BCAST` sends them for all keys with one of the prefixes, read or not.
    - `OPTIN` and `OPTOUT` let CLIENT CACHING choose the commands whose keys are tracked.
    - `NOLOOP` leaves out changes that the connection itself makes.

    The keys that a domain command reads are not tracked in the default mode; `BCAST` reports their
    changes.

        > CLIENT TRACKING ON BCAST PREFIX user: NOLOOP
        OK
        > CLIENT TRACKING OFF
        OK
    """
    options = _Options(ctx, argv)
    status = argv[2].upper()
    tracking, client = ctx.instance.tracking, ctx.client
    if status == b"ON":
        options.check(client.tracker)
        prefixes = options.prefixes
        if b"BCAST" in options.words and not prefixes:
            prefixes = [b""]
        tracking.turn_on(
            client,
            opt=options.opt,
            no_loop=b"NOLOOP" in options.words,
            redirect=options.redirect,
            prefixes=prefixes,
        )
    elif status == b"OFF":
        tracking.turn_off(client)
    else:
        raise CommandError(SYNTAX)
    return OK


def _tracker(client: Client) -> Tracker | None:
    """The client's tracker while it is on."""
    tracker = client.tracker
    return tracker if tracker is not None and tracker.is_on else None


@command(
    "CLIENT CACHING",
    group="connection",
    since="6.0.0",
    flags="noscript loading stale allow_busy",
    summary="Sets whether the keys of the next command are tracked.",
    arguments=[OneOf("mode", Token("YES"), Token("NO"))],
)
def client_caching(ctx: Context, argv: list[bytes]) -> Reply:
    tracker = _tracker(ctx.client)
    if tracker is None:
        raise CommandError(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
            "or OPTOUT mode enabled"
        )
    word = argv[2].upper()
    mode = {b"YES": "in", b"NO": "out"}.get(word)
    if mode is None:
        raise CommandError(SYNTAX)
    if tracker.opt != mode:
        raise CommandError(
            f"ERR CLIENT CACHING {word.decode()} is only valid when tracking is enabled in "
            f"OPT{mode.upper()} mode."
        )
    tracker.caching = True
    return OK


@command(
    "CLIENT GETREDIR",
    group="connection",
    since="6.0.0",
    flags="noscript loading stale allow_busy",
    summary="Returns the ID of the connection that receives invalidation messages.",
)
def client_getredir(ctx: Context, argv: list[bytes]) -> Reply:
    tracker = _tracker(ctx.client)
    return -1 if tracker is None else tracker.redirect


@command(
    "CLIENT TRACKINGINFO",
    group="connection",
    since="6.2.0",
    flags="noscript loading stale",
    summary="Describes the key tracking of the connection.",
)
def client_trackinginfo(ctx: Context, argv: list[bytes]) -> Reply:
    tracker = _tracker(ctx.client)
    if tracker is None:
        return {b"flags": SetReply([b"off"]), b"redirect": -1, b"prefixes": []}
    return tracker.describe()
