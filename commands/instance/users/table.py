"""The users of an instance, and what follows for clients when they change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from commands.engine.registry import Command
from commands.engine.words import quoted
from commands.instance.guards import Guard
from commands.instance.users.catalogue import Catalogue
from commands.instance.users.checks import Checks, Denial
from commands.instance.users.denials import Denials
from commands.instance.users.rules import Rules, merge_selectors
from commands.instance.users.user_files import UserFileError, read_users, write_users
from commands.instance.users.users import User
from commands.settings.settings import Settings

DEFAULT = b"default"
_BOTH_SOURCES = (
    b"Users are defined both by 'user' lines of the configuration and by an ACL file (aclfile); "
    b"use one of them"
)


class Subject(Protocol):
    """A client, as far as its user concerns it."""

    user: User
    guards: set[Guard]
    channels: dict[bytes, None]
    patterns: dict[bytes, None]
    shard_channels: dict[bytes, None]

    def log_in(self, user: User) -> None: ...

    def follow_user(self) -> None: ...

    def close(self, reason: str) -> None: ...


class Users:
    """The users of one instance. `default` is that of clients that did not log in."""

    def __init__(
        self, settings: Settings, commands: Mapping[str, Command], clients: Iterable[Subject]
    ) -> None:
        """`clients` is a live view of those that are connected."""
        self._settings = settings
        self._clients = clients
        self.catalogue = Catalogue(commands)
        self._rules = Rules(self.catalogue)
        self._checks = Checks(self.catalogue.bits, hash_tags=settings.hash_tags)
        self.denials = Denials()
        self.default = self._initial_default()
        self._by_name: dict[bytes, User] = {DEFAULT: self.default}
        # That of work which the server does by itself.
        self.internal = self._initial_default()
        # The password of the setting, to tell a change of it from other changes.
        self._requirepass = ""
        # The default user before the last change of it.
        self._before_requirepass = self.default
        settings.on_change(Settings.requirepass, self._follow_password)

    def _initial_default(self) -> User:
        user = User(DEFAULT)
        rules = [b"on", b"nopass", b"~*", b"&*", b"+@all"]
        self._rules.apply(user, rules, all_channels=False)
        user.measure(self.catalogue)
        return user

    @property
    def _all_channels(self) -> bool:
        return self._settings.acl_pubsub_default == "allchannels"

    def __iter__(self) -> Iterator[User]:
        """All users by their names."""
        return iter(self._by_name[name] for name in sorted(self._by_name))

    def find(self, name: bytes) -> User | None:
        return self._by_name.get(name)

    # --- logging in -------------------------------------------------------------------------

    @property
    def login_required(self) -> bool:
        """Whether a new client must log in before anything else."""
        return not (self.default.needs_no_password and self.default.enabled)

    @property
    def is_open(self) -> bool:
        """Whether anyone may be the default user: for the protected mode."""
        return self.default.needs_no_password

    def authenticate(self, name: bytes, password: bytes) -> User | None:
        """The user, if it may log in with this password."""
        user = self._by_name.get(name)
        if user is None:
            # It takes as long as for a user that exists.
            User(name).accepts(password)
            return None
        return user if user.accepts(password) else None

    def _follow_password(self, password: str) -> None:
        """Give the default user the password of `requirepass`, or none."""
        if password == self._requirepass:
            return
        self._requirepass = password
        if self._settings.undoing:
            # It may have had other passwords than that of the setting.
            self._replace(DEFAULT, self._before_requirepass)
            return
        self._before_requirepass = self.default.copy()
        self.change(DEFAULT, self._password_rules())

    # --- changing users -----------------------------------------------------------------------

    def change(self, name: bytes, words: Sequence[bytes]) -> None:
        """Create or change a user: by all of the rules, or by none if one is not valid.

        RuleError or UnmatchedParenthesis says which.
        """
        known = self._by_name.get(name)
        new = User(name, all_channels=self._all_channels) if known is None else known.copy()
        self._rules.apply(new, merge_selectors(words), all_channels=self._all_channels)
        self._replace(name, new)

    def remove(self, name: bytes) -> bool:
        """Remove a user and close the connections of its clients; whether there was one."""
        user = self._by_name.pop(name, None)
        if user is None:
            return False
        user.lose_everything()
        for client in list(self._clients):
            if client.user is user:
                client.follow_user()
                client.close("user removed")
        return True

    def _replace(self, name: bytes, new: User) -> None:
        """Put a user in force, also for its clients."""
        new.measure(self.catalogue)
        known = self._by_name.get(name)
        if known is None:
            self._by_name[name] = new
            return
        before = known.copy()
        known.become(new)
        self._tell_clients(known, before)

    def _tell_clients(self, user: User, before: User) -> None:
        loses_channels = not _keeps_channels(before, user)
        opens = user is self.default and not self.login_required
        for client in list(self._clients):
            if client.user is not user:
                continue
            client.follow_user()
            if opens and Guard.UNAUTHENTICATED in client.guards:
                client.log_in(user)
            if loses_channels and _listens_beyond(client, user):
                client.close("channels taken away")

    # --- checking requests ----------------------------------------------------------------------

    def denial(self, user: User, command: Command, argv: Sequence[bytes]) -> Denial | None:
        """Why the user may not run a request; None if it may."""
        if user.is_unlimited:
            return None
        return self._checks.denial(user, command, argv)

    def may_read_all_keys(self, user: User, command: Command, argv: Sequence[bytes]) -> bool:
        """Whether the user may run a request that reads keys which it does not name (SORT)."""
        return user.is_unlimited or self._checks.may_read_all_keys(user, command, argv)

    # --- files --------------------------------------------------------------------------------

    def load_at_start(self) -> None:
        """Define the users of the configuration, or of the ACL file; UserFileError if it fails."""
        lines = self._settings.user_lines
        if lines and self._settings.aclfile:
            raise UserFileError(_BOTH_SOURCES)
        defined: set[bytes] = set()
        for line in lines:
            words = [word.encode("utf-8", "surrogateescape") for word in line.words[1:]]
            try:
                if not words or words[0] in defined:
                    raise ValueError("a user must be defined once, by a name and rules")
                if words[0] == DEFAULT:
                    words.insert(1, b"reset")
                self.change(words[0], words[1:])
                defined.add(words[0])
            except ValueError as error:
                raise UserFileError(str(line.error(str(error))).encode()) from None
        if self._settings.aclfile:
            self.load_file()

    def load_file(self) -> None:
        """Replace all users by those of the ACL file; UserFileError if one is not valid."""
        read = read_users(
            self._settings.aclfile,
            self._rules,
            self._initial_default(),
            all_channels=self._all_channels,
        )
        for name in [name for name in self._by_name if name not in read]:
            self.remove(name)
        for name, user in read.items():
            self._replace(name, user)

    def config_lines(self) -> list[bytes]:
        """The users as lines of redis.conf; none if they are kept in the ACL file.

        The default user is left out if the settings make it what it is.
        """
        if self._settings.aclfile:
            return []
        plain = self._initial_default()
        self._rules.apply(plain, self._password_rules(), all_channels=False)
        lines = [user.line() for user in self if user.line() != plain.line()]
        return [b" ".join(map(quoted, line.split(b" "))) for line in lines]

    def _password_rules(self) -> list[bytes]:
        encoded = self._requirepass.encode("utf-8", "surrogateescape")
        return [b"resetpass", b">" + encoded if encoded else b"nopass"]

    def save_file(self) -> None:
        """Write all users into the ACL file; OSError or UserFileError if that fails."""
        write_users(
            self._settings.aclfile,
            iter(self),
            self._rules,
            self._initial_default(),
            all_channels=self._all_channels,
        )


def _keeps_channels(before: User, after: User) -> bool:
    """Whether every channel rule of a user is still there."""
    if any(selector.all_channels for selector in after.selectors):
        return True
    if any(selector.all_channels for selector in before.selectors):
        return False
    return _channel_rules(before) <= _channel_rules(after)


def _channel_rules(user: User) -> set[bytes]:
    return {pattern for selector in user.selectors for pattern in selector.channels}


def _listens_beyond(client: Subject, user: User) -> bool:
    """Whether a client has a subscription that its user may not have."""

    def granted(channel: bytes, *, is_pattern: bool) -> bool:
        return any(
            selector.grants_channel(channel, is_pattern=is_pattern) for selector in user.selectors
        )

    return (
        any(not granted(pattern, is_pattern=True) for pattern in client.patterns)
        or any(not granted(channel, is_pattern=False) for channel in client.channels)
        or any(not granted(channel, is_pattern=False) for channel in client.shard_channels)
    )
