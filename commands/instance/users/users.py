"""A user: a name, passwords, and selectors."""

from __future__ import annotations

import hmac
from hashlib import sha256

from commands.instance.users.catalogue import Catalogue
from commands.instance.users.selectors import Selector


def password_hash(password: bytes) -> bytes:
    """The SHA-256 of a password in hexadecimal: all that is kept of it."""
    return sha256(password).hexdigest().encode()


class User:
    """A user; a new one is off and may do nothing."""

    __slots__ = (
        *("enabled", "is_unlimited", "name", "needs_no_password", "passwords", "sanitizes"),
        "selectors",
    )

    def __init__(self, name: bytes, *, all_channels: bool = False) -> None:
        self.name = name
        self.enabled = False
        self.needs_no_password = False
        # Whether `sanitize-payload` or its opposite was set; without effect.
        self.sanitizes: bool | None = None
        # Hashes, in the order in which they were added.
        self.passwords: dict[bytes, None] = {}
        # The first one is changed by rules outside of parentheses.
        self.selectors = [Selector(all_channels=all_channels)]
        # Whether no request needs to be checked; `measure` finds out.
        self.is_unlimited = False

    def copy(self) -> User:
        twin = User(self.name)
        twin.become(self)
        return twin

    def become(self, other: User) -> None:
        """Take over everything but the name."""
        self.enabled = other.enabled
        self.needs_no_password = other.needs_no_password
        self.sanitizes = other.sanitizes
        self.passwords = dict(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self.is_unlimited = other.is_unlimited

    def measure(self, catalogue: Catalogue) -> None:
        """Note whether requests of this user need to be checked."""
        self.is_unlimited = any(each.is_unlimited(catalogue) for each in self.selectors)

    def lose_everything(self) -> None:
        """The user is removed; clients that are about to be closed may still refer to it."""
        self.enabled = self.needs_no_password = self.is_unlimited = False
        self.passwords.clear()
        self.selectors = [Selector()]

    def accepts(self, password: bytes) -> bool:
        """Whether the user may log in with this password.

        It takes the same time whatever part of a password is right, and whichever password.
        """
        given = password_hash(password)
        matches = [hmac.compare_digest(given, known) for known in self.passwords]
        return self.enabled and (self.needs_no_password or any(matches))

    # --- how it is shown ------------------------------------------------------------------

    @property
    def flags(self) -> list[bytes]:
        found = [b"on" if self.enabled else b"off"]
        if self.needs_no_password:
            found.append(b"nopass")
        if self.sanitizes is not None:
            found.append(b"sanitize-payload" if self.sanitizes else b"skip-sanitize-payload")
        return found

    def show(self) -> bytes:
        """All of it, as rules that make it."""
        first, *others = self.selectors
        passwords = [b"#" + each for each in self.passwords]
        shown = [b"(%b)" % each.show() for each in others]
        return b" ".join([*self.flags, *passwords, first.show(), *shown])

    def line(self) -> bytes:
        """The user as a line of ACL LIST, redis.conf or the ACL file."""
        return b"user %b %b" % (self.name, self.show())
