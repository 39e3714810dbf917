"""ML.*: raw rows, a view on the rows that other families keep.

Each family declares its namespaces (`commands.domain.raw_rows`): jobs has `jobs`, models has
`models` and `model_versions`. It decides what a valid key and a valid row are; every row is
JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Count, check_pool
from commands.domain.pages import PAGE_SIZE
from commands.domain.raw_rows import RawRows, find_namespace
from commands.engine.containers import declare_family_help
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply
from commands.instance.context import Context

_NAMESPACE = String("namespace", convert=find_namespace)
_KEY = String("key")


@dataclass(slots=True)
class Put:
    pool: bytes
    namespace: RawRows
    key: bytes
    json: bytes


@command(
    "ML.PUT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Stores the row of a model, of a model version, or of a job.",
    arguments=[Key("pool", "RW access update"), _NAMESPACE, _KEY, String("json")],
    categories="model",
    request=Put,
)
def ml_put(ctx: Context, request: Put) -> Reply:
    """Replaces any row under the key. The value is a JSON object; in the namespace `jobs` it
    is the row of a job, as in `JOB.PUT`. A key that does not have the form of its namespace
    is an error.

        > ML.PUT main model_versions spam@v3 '{"data_hash": "9f2c"}'
        OK
    """
    check_pool(request.pool)
    request.namespace.put(ctx, request.pool, request.key, request.json)
    return OK


@dataclass(slots=True)
class Row:
    """One row: the request of ML.GET and ML.DEL."""

    pool: bytes
    namespace: RawRows
    key: bytes


@command(
    "ML.GET",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns the row of a model, of a model version, or of a job.",
    arguments=[Key("pool", "RO access"), _NAMESPACE, _KEY],
    categories="model",
    request=Row,
)
def ml_get(ctx: Context, request: Row) -> Reply:
    """Returns nil if there is no such row. A stored row that cannot be read is a `BADRECORD`
    error.

        > ML.GET main model_versions spam@v3
        "{\\"data_hash\\": \\"9f2c\\"}"
    """
    check_pool(request.pool)
    return request.namespace.get(ctx, request.pool, request.key)


@command(
    "ML.DEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Removes the row of a model, of a model version, or of a job.",
    arguments=[Key("pool", "RW access delete"), _NAMESPACE, _KEY],
    categories="model",
    request=Row,
)
def ml_del(ctx: Context, request: Row) -> Reply:
    """Returns 1, or 0 if there is no such row. If the row of a model is removed, its versions
    stay.

        > ML.DEL main models nothing
        (integer) 0
    """
    check_pool(request.pool)
    return int(request.namespace.delete(ctx, request.pool, request.key))


@dataclass(slots=True)
class List:
    pool: bytes
    namespace: RawRows
    cursor: bytes = b"0"
    count: int = PAGE_SIZE


@command(
    "ML.LIST",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M returned rows out of N.",
    summary="Lists the rows of a namespace with their keys, a page at a time.",
    arguments=[
        Key("pool", "RO access"),
        _NAMESPACE,
        String("cursor", "CURSOR", optional=True),
        Count("count", "COUNT"),
    ],
    categories="model",
    request=List,
)
def ml_list(ctx: Context, request: List) -> Reply:
    """Returns a cursor and a map of keys to rows. Pass the cursor to the next call until it
    is 0. Jobs are in the order of their creation, models in that of their names, versions in
    that of model and number. A page has at most `COUNT` rows (default 100, never more than
    1000). Rows that cannot be read are skipped.

        > ML.LIST main model_versions COUNT 10
        1) "0"
        2) 1) "spam@v3"
           2) "{...}"
    """
    check_pool(request.pool)
    cursor, rows = request.namespace.list(ctx, request.pool, request.cursor, request.count)
    return [cursor, MapReply(rows)]


declare_family_help("ML", group="job", since="0.1.0")
