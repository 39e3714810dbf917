"""The declaration of one setting, and the typed attribute that reads its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, Never, Self, TypeVar, overload

from commands.settings.kinds import Kind

T = TypeVar("T")


class Setting(Generic[T]):
    """A setting whose values are of type `T`, declared as an attribute of a class.

    On the class, the attribute is the declaration (`Settings.maxclients` is a
    `Setting[int]`). On an instance, it is the value (`settings.maxclients` is an `int`).
    The value is stored in the instance's `__dict__` under the same name. Because this
    descriptor has no `__set__` at run time, Python finds that value without calling
    anything here.

    The name in CONFIG and redis.conf is the attribute's name with hyphens.
    """

    # Accepted and remembered, but without effect.
    inert: ClassVar[bool] = False

    # `tcp_backlog` and `tcp-backlog`; known once the class is complete.
    attribute: str
    name: str

    def __init__(
        self,
        kind: Kind[T],
        default: str,
        help: str,
        *,
        mutable: bool = True,
        protected: bool = False,
        secret: bool = False,
        hidden: bool = False,
        words: bool = False,
        words_per_line: int = 0,
        alias: str | None = None,
        underscored: bool = False,
    ) -> None:
        self.kind = kind
        # The default as redis.conf would give it, and as a value.
        self.default = default
        self.initial = kind.parse(default)
        self.help = help
        # Can be changed while the server runs.
        self.mutable = mutable
        # Can be changed only if `enable-protected-configs` allows it.
        self.protected = protected
        # The value is not shown in the slow log or to monitors.
        self.secret = secret
        # CONFIG GET shows it only when asked for the exact name.
        self.hidden = hidden
        # A line of a file may give it several words.
        self.words = words
        # A file has one line per group of this many words, and the lines add up.
        self.words_per_line = words_per_line
        # Another name that Redis accepts too, usually an older one.
        self.alias = alias
        # Few names of Redis have underscores between their words.
        self._underscored = underscored

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name
        self.name = name if self._underscored else name.replace("_", "-")

    def __repr__(self) -> str:
        return f"<Setting {self.name}>"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> Self | T:
        # Only the class gets here: every instance has a value in its `__dict__`.
        return self

    if TYPE_CHECKING:
        # Makes mypy reject assignments, which would bypass the listeners of `Settings.set`.
        def __set__(self, instance: object, value: Never) -> None: ...


class InertSetting(Setting[T]):
    """A setting that is accepted, checked and remembered, but has no effect.

    Whoever sets it to something else than its default is told so, and why: `reason` completes
    the sentence "it has no effect here: …".
    """

    inert = True

    def __init__(
        self,
        kind: Kind[T],
        default: str,
        help: str,
        *,
        reason: str,
        mutable: bool = True,
        secret: bool = False,
        hidden: bool = False,
        words: bool = False,
        alias: str | None = None,
        underscored: bool = False,
    ) -> None:
        super().__init__(
            kind,
            default,
            help,
            mutable=mutable,
            secret=secret,
            hidden=hidden,
            words=words,
            alias=alias,
            underscored=underscored,
        )
        self.reason = reason
