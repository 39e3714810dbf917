"""What a client asked for with CLIENT TRACKING."""

from __future__ import annotations

from commands.engine.replies import Reply, SetReply


class Tracker:
    """The tracking of one client: it exists from the first TRACKING ON until the client goes.

    While it is off, keys that were read before stay in the table, as in Redis.
    """

    __slots__ = (
        "alone",
        "caching",
        "is_broken",
        "is_on",
        "items",
        "no_loop",
        "opt",
        "prefixes",
        "redirect",
    )

    def __init__(self, client_id: int) -> None:
        self.is_on = False
        # "in" or "out": which commands it caches the keys of, without CLIENT CACHING; or all.
        self.opt = ""
        # CLIENT CACHING was sent for the next command.
        self.caching = False
        # Not told of its own changes.
        self.no_loop = False
        # The client that gets the messages; 0 is the client itself.
        self.redirect = 0
        # That client was gone when there was a message for it.
        self.is_broken = False
        # In broadcasting mode, of which keys it is told; without prefixes it is not in that mode.
        self.prefixes: set[bytes] = set()
        # The entry of a key that this client alone has read: one object for all such keys.
        self.alone = frozenset((client_id,))
        # In how many entries of the table the client is.
        self.items = 0

    def configure(self, *, opt: str, no_loop: bool, redirect: int) -> None:
        self.is_on = True
        self.is_broken = False
        self.opt, self.no_loop, self.redirect = opt, no_loop, redirect

    def turn_off(self) -> None:
        self.is_on = self.is_broken = self.caching = self.no_loop = False
        self.opt = ""
        self.redirect = 0
        self.prefixes = set()

    @property
    def caches_now(self) -> bool:
        """Whether the keys of the command that runs enter the table."""
        if self.prefixes or not self.is_on:
            return False
        return self.caching == (self.opt == "in") or not self.opt

    def describe(self) -> Reply:
        """Return the reply of CLIENT TRACKINGINFO."""
        flags = (
            ("on", True),
            ("bcast", self.prefixes),
            ("optin", self.opt == "in"),
            ("caching-yes", self.opt == "in" and self.caching),
            ("optout", self.opt == "out"),
            ("caching-no", self.opt == "out" and self.caching),
            ("noloop", self.no_loop),
            ("broken_redirect", self.is_broken),
        )
        return {
            b"flags": SetReply([name.encode() for name, is_set in flags if is_set]),
            b"redirect": self.redirect,
            b"prefixes": sorted(self.prefixes),
        }
