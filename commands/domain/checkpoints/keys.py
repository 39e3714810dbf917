"""The keys of a thread.

| key | type | holds |
|---|---|---|
| `entelix:cp:<tenant>:<thread>:bystep` | sorted set | ids, by step |
| `entelix:cp:<tenant>:<thread>:byid` | hash | id → envelope |
| `entelix:cp:<tenant>:<thread>:writes:<id>` | hash | pending writes of one checkpoint |

Tenant and thread are escaped as described in `namespaces`, so each pair has keys of its own.
Both are part of the JSON of each checkpoint and so must be UTF-8.
"""

from __future__ import annotations

from commands.domain.errors import failure
from commands.domain.namespaces import escape, tenant_part
from commands.domain.records import write_json
from commands.engine.errors import CommandError
from commands.engine.key_layouts import declare_layout
from commands.instance.context import Context

CHECKPOINT_PREFIX = b"entelix:cp:"
declare_layout(CHECKPOINT_PREFIX)


class Thread:
    """One thread of one tenant: its keys, and how its checkpoints name it."""

    __slots__ = ("by_id", "by_step", "identity", "name", "prefix", "tenant")

    def __init__(self, ctx: Context, tenant: bytes, name: bytes) -> None:
        part = tenant_part(ctx, tenant)
        if not name:
            raise failure("NAMESPACE", "the thread of tenant '{}' is empty", tenant)
        try:
            self.tenant = tenant.decode()
            self.name = name.decode()
        except UnicodeDecodeError:
            raise _not_utf8(tenant, name) from None
        # The members of an envelope that name the thread, as JSON.
        self.identity = b'"tenant_id":%b,"thread_id":%b' % (
            write_json(self.tenant),
            write_json(self.name),
        )
        self.prefix = prefix = b"%b%b:%b" % (CHECKPOINT_PREFIX, part, escape(name))
        self.by_step = prefix + b":bystep"
        self.by_id = prefix + b":byid"

    @property
    def collection(self) -> bytes:
        """The name of the thread in events: tenant and name, escaped."""
        return self.prefix[len(CHECKPOINT_PREFIX) :]

    def writes(self, checkpoint: bytes) -> bytes:
        """The key of the pending writes of a checkpoint."""
        return b"%b:writes:%b" % (self.prefix, checkpoint)

    def all_writes(self, ctx: Context) -> list[bytes]:
        """The keys of all pending writes of this thread."""
        return list(ctx.db.ordered.range(self.prefix + b":writes:"))

    def failure(self, code: str, what: str, checkpoint: bytes) -> CommandError:
        """An error about a checkpoint of this thread: `no checkpoint <id> of thread ...`."""
        return failure(
            code, "{} {} of thread '{}' of tenant '{}'", what, checkpoint, self.name, self.tenant
        )


def tenant_prefix(ctx: Context, tenant: bytes) -> bytes:
    """The prefix of the keys of all threads of a tenant."""
    part = tenant_part(ctx, tenant)
    if not _is_utf8(tenant):
        raise _not_utf8(tenant, b"")
    return b"%b%b:" % (CHECKPOINT_PREFIX, part)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(tenant: bytes, name: bytes) -> CommandError:
    if not _is_utf8(tenant):
        return failure("NAMESPACE", "tenant '{}' is not UTF-8", tenant)
    return failure("NAMESPACE", "thread '{}' of tenant '{}' is not UTF-8", name, tenant)
