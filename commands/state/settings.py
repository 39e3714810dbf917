"""Every setting of an instance: one table of name, kind, default and help.

CONFIG GET/SET/REWRITE, the command line of `redkeep serve`, redis.conf files and the
documentation are all read from `TABLE`. Values are kept as Python objects; their texts
are Redis' own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from commands.state.setting_kinds import (
    Boolean,
    Enum,
    Integer,
    Kind,
    Memory,
    OutputLimits,
    SavePoints,
    SettingError,
    Text,
)


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    kind: Kind
    default: Any
    help: str
    # Can be changed while the server runs.
    mutable: bool = True
    # Not shown in logs and help output with its value.
    secret: bool = False
    # The older name that Redis accepts too.
    alias: str | None = None
    # Accepted and remembered so that clients and files that set it work, without effect.
    inert: bool = False


TABLE: tuple[Setting, ...] = (
    Setting("port", Integer(0, 65535), 6379, "TCP port; 0 listens on no TCP port."),
    Setting("bind", Text(), "127.0.0.1 ::1", "Addresses to listen on, separated by spaces."),
    Setting("unixsocket", Text(), "", "Path of a unix socket to listen on.", mutable=False),
    Setting("unixsocketperm", Text(), "0", "Octal permissions of the unix socket.", mutable=False),
    Setting("databases", Integer(1, 1 << 31), 16, "Number of databases.", mutable=False),
    Setting("dir", Text(), ".", "Directory of the data files."),
    Setting("requirepass", Text(), "", "Password of the default user.", secret=True),
    Setting("maxclients", Integer(1, 1 << 32), 10000, "Most clients connected at once."),
    Setting("timeout", Integer(0, 1 << 31), 0, "Seconds of idleness before a client is closed; 0 is never."),
    Setting("tcp-keepalive", Integer(0, 1 << 31), 300, "Seconds between TCP keep-alive probes; 0 is none."),
    Setting("tcp-backlog", Integer(0, 1 << 31), 511, "Length of the accept queue.", mutable=False),
    Setting("proto-max-bulk-len", Memory(1 << 20, 1 << 62), 512 << 20, "Longest string a client may send."),
    Setting("client-query-buffer-limit", Memory(1 << 20, 1 << 62), 1 << 30, "Most unread input of a client."),
    Setting(
        "client-output-buffer-limit",
        OutputLimits(),
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "Per class of client: hard limit, soft limit, seconds over the soft limit.",
    ),
    Setting("hz", Integer(1, 500), 10, "How often a second background work is done."),
    Setting("active-expire-effort", Integer(1, 10), 1, "How much time sweeps for expired keys may take."),
    Setting("slowlog-log-slower-than", Integer(-1, 1 << 62), 10000, "Microseconds; 0 logs all, -1 none."),
    Setting("slowlog-max-len", Integer(0, 1 << 62), 128, "Entries kept in the slow log."),
    Setting("latency-tracking", Boolean(), True, "Count the latencies of each command."),
    Setting("latency-monitor-threshold", Integer(0, 1 << 62), 0, "Milliseconds; 0 turns the monitor off."),
    Setting("enable-debug-command", Enum("no", "yes", "local"), "no", "Who may use DEBUG.", mutable=False),
    Setting("save", SavePoints(), "3600 1 300 100 60 10000", "When to snapshot: seconds and changes."),
    Setting("appendonly", Boolean(), False, "Log every write."),
    Setting("maxmemory", Memory(0, 1 << 62), 0, "Most memory for data; 0 is no limit."),
    Setting("hash-max-listpack-entries", Integer(0, 1 << 62), 128, "Most fields of a compact hash.", alias="hash-max-ziplist-entries"),
    Setting("hash-max-listpack-value", Integer(0, 1 << 62), 64, "Longest value of a compact hash.", alias="hash-max-ziplist-value"),
    Setting("list-max-listpack-size", Integer(-(1 << 31), 1 << 31), -2, "Most entries, or size class, of a list node.", alias="list-max-ziplist-size"),
    Setting("set-max-intset-entries", Integer(0, 1 << 62), 512, "Most members of a set of integers."),
    Setting("set-max-listpack-entries", Integer(0, 1 << 62), 128, "Most members of a compact set."),
    Setting("set-max-listpack-value", Integer(0, 1 << 62), 64, "Longest member of a compact set."),
    Setting("zset-max-listpack-entries", Integer(0, 1 << 62), 128, "Most members of a compact sorted set.", alias="zset-max-ziplist-entries"),
    Setting("zset-max-listpack-value", Integer(0, 1 << 62), 64, "Longest member of a compact sorted set.", alias="zset-max-ziplist-value"),
    Setting("stream-node-max-bytes", Memory(0, 1 << 62), 4096, "Most bytes of a stream node."),
    Setting("stream-node-max-entries", Integer(0, 1 << 62), 100, "Most entries of a stream node."),
    Setting("hll-sparse-max-bytes", Memory(0, 1 << 62), 3000, "Longest sparse HyperLogLog."),
)

BY_NAME: dict[str, Setting] = {setting.name: setting for setting in TABLE}
_ALIASES: dict[str, str] = {s.alias: s.name for s in TABLE if s.alias}


class Settings:
    """The values of one instance's settings.

    `settings["maxclients"]` is the value. What needs a setting on a hot path keeps a copy
    and renews it in an `on_change` listener.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {s.name: s.kind.parse(s.kind.format(s.default)) for s in TABLE}
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        # Set by the configuration file or CONFIG SET: what CONFIG REWRITE must write.
        self.config_file: str | None = None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[Setting]:
        return iter(TABLE)

    @staticmethod
    def find(name: str) -> Setting | None:
        """The setting of that name or alias, in any case."""
        name = name.lower()
        return BY_NAME.get(_ALIASES.get(name, name))

    def text(self, name: str) -> str:
        """The value as CONFIG GET shows it."""
        return BY_NAME[name].kind.format(self._values[name])

    def set(self, name: str, value: Any) -> None:
        """Change a value that was parsed and accepted, and tell who listens."""
        self._values[name] = value
        for listener in self._listeners.get(name, ()):
            listener(value)

    def set_text(self, name: str, text: str) -> None:
        """`set` from a text; SettingError says what is wrong with it."""
        self.set(name, BY_NAME[name].kind.parse(text))

    def on_change(self, name: str, listener: Callable[[Any], None]) -> None:
        """Call `listener` with the value now, and whenever it is changed."""
        self._listeners.setdefault(name, []).append(listener)
        listener(self._values[name])


__all__ = ["BY_NAME", "TABLE", "Setting", "SettingError", "Settings"]
