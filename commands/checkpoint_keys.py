"""Where the checkpoints of a thread lie.

| key | type | holds |
|---|---|---|
| `entelix:cp:<tenant>:<thread>:bystep` | sorted set | ids, by step |
| `entelix:cp:<tenant>:<thread>:byid` | hash | id → envelope |
| `entelix:cp:<tenant>:<thread>:writes:<id>` | hash | pending writes of one checkpoint |

Tenant and thread are escaped as `commands.namespaces` says, so that each pair has keys of
its own. Both are part of the JSON of each checkpoint, and hence UTF-8.
"""

from __future__ import annotations

import re

from commands.context import Context
from commands.domain import CHECKPOINT_PREFIX, failure, write_json
from commands.namespaces import escape, tenant_part

# What most names are made of: nothing here needs an escape, in keys or in JSON.
_is_plain = re.compile(rb"[A-Za-z0-9_.@/+=-]+").fullmatch


class Thread:
    """One thread of one tenant: its keys, and what its checkpoints say of themselves."""

    __slots__ = ("by_id", "by_step", "collection", "identity", "name", "prefix", "tenant")

    def __init__(self, ctx: Context, tenant: bytes, name: bytes) -> None:
        self.tenant = tenant
        self.name = name
        part = tenant_part(ctx, tenant)
        if _is_plain(tenant) and _is_plain(name):
            self.collection = collection = b"%b:%b" % (part, name)
            # The members of the body that tell whose checkpoint it is, as JSON.
            self.identity = b'"tenant_id":"%b","thread_id":"%b"' % (tenant, name)
        else:
            if not name:
                raise failure("NAMESPACE", "the thread of tenant '{}' is empty", tenant)
            self.collection = collection = b"%b:%b" % (part, escape(name))
            self.identity = b'"tenant_id":%b,"thread_id":%b' % (
                _json_name("tenant", tenant),
                _json_name("thread", name),
            )
        self.prefix = prefix = CHECKPOINT_PREFIX + collection
        self.by_step = prefix + b":bystep"
        self.by_id = prefix + b":byid"

    def writes(self, checkpoint: bytes) -> bytes:
        """The key of the pending writes of a checkpoint."""
        return b"%b:writes:%b" % (self.prefix, checkpoint)

    def all_writes(self, ctx: Context) -> list[bytes]:
        """The keys of all pending writes that there are in this thread."""
        return list(ctx.db.ordered.range(self.prefix + b":writes:"))


def tenant_prefix(ctx: Context, tenant: bytes) -> bytes:
    """What the keys of all threads of a tenant begin with."""
    part = tenant_part(ctx, tenant)
    _json_name("tenant", tenant)
    return b"%b%b:" % (CHECKPOINT_PREFIX, part)


def _json_name(what: str, name: bytes) -> bytes:
    try:
        return write_json(name.decode())
    except UnicodeDecodeError:
        raise failure("NAMESPACE", what + " '{}' is not UTF-8", name) from None
