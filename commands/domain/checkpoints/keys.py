"""The keys of checkpoints.

| key | type | holds |
|---|---|---|
| `entelix:cp:<tenant>:<thread>:bystep` | sorted set | ids, by step |
| `entelix:cp:<tenant>:<thread>:byid` | hash | id → envelope |
| `entelix:cp:<tenant>:<thread>:states` | hash | id → binary state |
| `entelix:cp:<tenant>:<thread>:writes` | hash | pending writes, see `writes` |
| `redkeep:cp-meta:<tenant>:<member>` | sorted set | index of one member of META, see `meta_index` |
| `redkeep:cp-work:<tenant>:<thread>` | hash | what the server still has to do, see `background` |
| `redkeep:cp-trash:<tenant>:<thread>:<number>:bystep` | sorted set | a removed thread |
| `redkeep:cp-trash:<tenant>:<thread>:<number>:byid` | hash | a removed thread |

The checkpoints of a namespace of a thread have `<thread>:ns:<path>` in place of `<thread>`.
Tenant, thread and path are escaped as described in `namespaces`, so each combination has keys
of its own. They are part of the JSON of each checkpoint and so must be UTF-8.
"""

from __future__ import annotations

from commands.domain.calls import call_integer
from commands.domain.errors import failure
from commands.domain.namespaces import escape, segment_at, tenant_part, unescape
from commands.domain.records import write_json
from commands.engine.errors import CommandError
from commands.engine.grammar import String
from commands.engine.key_layouts import declare_layout
from commands.instance.context import Context
from storage.key_index import after_prefix

CHECKPOINT_PREFIX = b"entelix:cp:"
META_PREFIX = b"redkeep:cp-meta:"
WORK_PREFIX = b"redkeep:cp-work:"
TRASH_PREFIX = b"redkeep:cp-trash:"
EVENTS_PREFIX = b"redkeep:events:checkpoint:"
declare_layout(CHECKPOINT_PREFIX)
declare_layout(META_PREFIX)
declare_layout(WORK_PREFIX)
declare_layout(TRASH_PREFIX)
declare_layout(EVENTS_PREFIX)

# Behind the thread in the keys of a namespace.
_NAMESPACE_MARK = b":ns:"

# The option of every command that works on one thread.
NAMESPACE = String("path", "NS", optional=True)


class Thread:
    """A thread of a tenant, or a namespace of one: its keys, and how its checkpoints name it."""

    __slots__ = (
        "by_id",
        "by_step",
        "collection",
        "identity",
        "name",
        "path",
        "prefix",
        "states",
        "tenant",
        "tenant_part",
        "writes",
    )

    def __init__(self, ctx: Context, tenant: bytes, name: bytes, path: bytes = b"") -> None:
        self.tenant_part = part = tenant_part(ctx, tenant)
        if not name:
            raise failure("NAMESPACE", "the thread of tenant '{}' is empty", tenant)
        try:
            self.tenant = tenant.decode()
            self.name = name.decode()
            self.path = path.decode()
        except UnicodeDecodeError:
            raise _not_utf8(tenant, name, path) from None
        # The members of an envelope that name the thread, as JSON.
        self.identity = b'"tenant_id":%b,"thread_id":%b' % (
            write_json(self.tenant),
            write_json(self.name),
        )
        # The name of the thread in events: tenant and name, escaped.
        self.collection = b"%b:%b" % (part, escape(name))
        self.prefix = prefix = CHECKPOINT_PREFIX + self.collection
        if path:
            self.identity += b',"ns":' + write_json(self.path)
            self.prefix = prefix = b"%b%b%b" % (prefix, _NAMESPACE_MARK, escape(path))
        self.by_step = prefix + b":bystep"
        self.by_id = prefix + b":byid"
        self.states = prefix + b":states"
        self.writes = prefix + b":writes"

    @property
    def keys(self) -> tuple[bytes, bytes, bytes, bytes]:
        return self.by_step, self.by_id, self.states, self.writes

    @property
    def work(self) -> bytes:
        """The key of what the server still has to do in this thread or namespace."""
        return WORK_PREFIX + self.prefix[len(CHECKPOINT_PREFIX) :]

    def meta(self, member: bytes) -> bytes:
        """The key of the index of one member of META."""
        return b"%b%b:%b" % (META_PREFIX, self.tenant_part, escape(member))

    def trash(self, number: int) -> tuple[bytes, bytes]:
        """Keys for the checkpoints of this thread after its removal."""
        prefix = b"%b%b:%d" % (TRASH_PREFIX, self.prefix[len(CHECKPOINT_PREFIX) :], number)
        return prefix + b":bystep", prefix + b":byid"

    @property
    def namespaces_prefix(self) -> bytes:
        """What the keys of all namespaces of this thread begin with."""
        return CHECKPOINT_PREFIX + self.collection + _NAMESPACE_MARK

    def failure(self, code: str, what: str, checkpoint: bytes) -> CommandError:
        """An error about a checkpoint of this thread: `no checkpoint <id> of thread ...`."""
        if not self.path:
            place = (self.name, self.tenant)
            return failure(code, "{} {} of thread '{}' of tenant '{}'", what, checkpoint, *place)
        names = (what, checkpoint, self.path, self.name, self.tenant)
        return failure(code, "{} {} of namespace '{}' of thread '{}' of tenant '{}'", *names)


def thread_at(ctx: Context, key: bytes, prefix: bytes) -> Thread | None:
    """The thread or namespace that a key with this prefix belongs to; None if it has none."""
    tagged = ctx.instance.settings.hash_tags
    at = len(prefix)
    tenant = segment_at(key, at)
    if tenant is None:
        return None
    at += len(tenant) + 1
    name = segment_at(key + b":", at)
    assert name is not None
    at += len(name)
    path: bytes | None = b""
    if key.startswith(_NAMESPACE_MARK, at):
        path = segment_at(key + b":", at + len(_NAMESPACE_MARK))
    if tagged:
        tenant = tenant[1:-1]
    try:
        return Thread(ctx, unescape(tenant), unescape(name), unescape(path or b""))
    except CommandError:
        return None


def following_path(ctx: Context, thread: Thread) -> bytes | None:
    """The next namespace of the same thread that has checkpoints; None after the last one."""
    prefix = thread.namespaces_prefix
    group = b"%b%b:" % (prefix, escape(thread.path.encode())) if thread.path else None
    start: bytes | None = prefix if group is None else after_prefix(group)
    while start is not None and (key := ctx.db.ordered.first(prefix, start=start)) is not None:
        path = segment_at(key, len(prefix))
        if path is None or key != b"%b%b:bystep" % (prefix, path):
            # Not the key of a namespace, or another of its keys.
            start = key + b"\0"
            continue
        # Keys that have expired may still be listed.
        if path and call_integer(ctx, b"EXISTS", key):
            return unescape(path)
        start = key + b"\0"
    return None


def tenant_prefix(ctx: Context, tenant: bytes) -> bytes:
    """The prefix of the keys of all threads of a tenant."""
    part = tenant_part(ctx, tenant)
    if not _is_utf8(tenant):
        raise _not_utf8(tenant, b"", b"")
    return b"%b%b:" % (CHECKPOINT_PREFIX, part)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(tenant: bytes, name: bytes, path: bytes) -> CommandError:
    if not _is_utf8(tenant):
        return failure("NAMESPACE", "tenant '{}' is not UTF-8", tenant)
    if not _is_utf8(name):
        return failure("NAMESPACE", "thread '{}' of tenant '{}' is not UTF-8", name, tenant)
    return failure("NAMESPACE", "NS '{}' is not UTF-8", path)
