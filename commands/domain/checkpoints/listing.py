"""CP.THREADS and CP.NAMESPACES: the threads of a tenant, and the namespaces of a thread."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer
from commands.domain.checkpoints.keys import Thread, following_path, tenant_prefix
from commands.domain.namespaces import escape, segment_at, unescape
from commands.domain.pages import END, LARGEST_PAGE, NAME, PAGE, PAGE_SIZE, name_cursor
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.key_index import after_prefix


@dataclass(slots=True)
class Threads:
    tenant: bytes
    prefix: bytes = b""
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "CP.THREADS",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of threads returned and N of all keys",
    summary="Lists the threads of a tenant.",
    arguments=[
        Key("tenant", "RO access"),
        String("prefix", "PREFIX", optional=True),
        NAME,
        PAGE,
    ],
    request=Threads,
)
def cp_threads(ctx: Context, request: Threads) -> Reply:
    """Returns a cursor and up to `COUNT` (100, at most 1000) threads, in the order of their keys.

    Pass the cursor to get the next page; it is 0 after the last one. A thread that exists
    during the whole listing is listed once. One that has checkpoints only in namespaces is
    listed, too.

        > CP.THREADS acme
        1) "0"
        2) 1) "thread-1"
           2) "thread-2"
           3) "thread-3"
    """
    owned = tenant_prefix(ctx, request.tenant)
    searched = owned + escape(request.prefix)
    start: bytes | None = searched
    if request.cursor is not None:
        start = after_prefix(b"%b%b:" % (owned, request.cursor))
    threads: list[bytes] = []
    count = min(request.count, LARGEST_PAGE)
    examined, last = 0, b""
    while start is not None and (key := ctx.db.ordered.first(searched, start=start)) is not None:
        rendered = segment_at(key, len(owned))
        if rendered is None:
            # Not the key of a thread; keys of threads may still begin with it.
            start = key + b"\0"
            continue
        if len(threads) == count or examined == LARGEST_PAGE:
            return [name_cursor(last), threads]
        last, start = rendered, after_prefix(b"%b%b:" % (owned, rendered))
        examined += 1
        name = unescape(rendered)
        if name and _has_checkpoints(ctx, request.tenant, name):
            threads.append(name)
    return [END, threads]


def _has_checkpoints(ctx: Context, tenant: bytes, name: bytes) -> bool:
    try:
        thread = Thread(ctx, tenant, name)
    except CommandError:
        # Another client's key: names are UTF-8.
        return False
    return call_integer(ctx, b"EXISTS", thread.by_step) > 0 or (
        following_path(ctx, thread) is not None
    )


@dataclass(slots=True)
class Namespaces:
    tenant: bytes
    thread: bytes
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "CP.NAMESPACES",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of namespaces returned and N of all keys",
    summary="Lists the namespaces of a thread.",
    arguments=[Key("tenant", "RO access"), String("thread"), NAME, PAGE],
    request=Namespaces,
)
def cp_namespaces(ctx: Context, request: Namespaces) -> Reply:
    """Returns a cursor and up to `COUNT` (100, at most 1000) namespaces that have checkpoints.

    They are listed in the order of their keys, with cursors as in `CP.THREADS`.

        > CP.NAMESPACES acme thread-1
        1) "0"
        2) (empty array)
    """
    after = request.cursor or b""
    thread = Thread(ctx, request.tenant, request.thread, after)
    paths: list[bytes] = []
    count = min(request.count, LARGEST_PAGE)
    while (path := following_path(ctx, thread)) is not None:
        if len(paths) == count:
            return [name_cursor(paths[-1]), paths]
        paths.append(path)
        thread = Thread(ctx, request.tenant, request.thread, path)
    return [END, paths]
