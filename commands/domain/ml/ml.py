"""ML.*: raw rows, a view on the rows that other families keep.

Each family declares its namespaces (`commands.domain.raw_rows`): jobs has `jobs`, models has
`models` and `model_versions`. It decides what a valid key and a valid row are; every row is
JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commands.domain.arguments import check_pool
from commands.domain.pages import PAGE, PAGE_SIZE
from commands.domain.raw_rows import Namespace, find_namespace
from commands.engine.containers import declare_family_help
from commands.engine.errors import CommandError
from commands.engine.grammar import String
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply
from commands.instance.context import Context

_POOL = String("pool")
_NAMESPACE = String("namespace", convert=find_namespace)
_KEY = String("key")


def _find_key(argv: Sequence[bytes]) -> list[int]:
    """The place of the word that names the collection: the pool, or the key of the row."""
    namespace = _namespace_in(argv)
    if namespace is None or len(argv) < 4:
        return []
    return [1 if namespace.collection is None else 3]


def _find_pool(argv: Sequence[bytes]) -> list[int]:
    """The place of the pool, where the listed rows belong to it."""
    namespace = _namespace_in(argv)
    return [1] if namespace is not None and namespace.collection is None else []


def _name_key(argv: Sequence[bytes], place: int) -> bytes:
    """The collection in the word at a place: the model in the key of a version."""
    namespace = _namespace_in(argv)
    if place == 1 or namespace is None or namespace.collection is None:
        return argv[place]
    return namespace.collection(argv[place])


def _namespace_in(argv: Sequence[bytes]) -> Namespace | None:
    try:
        return find_namespace(argv[2])
    except CommandError:
        return None


@dataclass(slots=True)
class Put:
    pool: bytes
    namespace: Namespace
    key: bytes
    json: bytes


@command(
    "ML.PUT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Stores the row of a model, of a model version, or of a job.",
    arguments=[_POOL, _NAMESPACE, _KEY, String("json")],
    keys=[KeySpec("RW access update", unknown=True)],
    key_finder=_find_key,
    key_name=_name_key,
    categories="model",
    request=Put,
)
def ml_put(ctx: Context, request: Put) -> Reply:
    """Replaces any row under the key. The value may be any JSON, also what `MODEL.*` and `JOB.*`
    cannot read. A key that does not have the form of its namespace is an error.

        > ML.PUT main model_versions spam@v3 '{"data_hash": "9f2c"}'
        OK
    """
    check_pool(request.pool)
    request.namespace.rows.put(ctx, request.pool, request.key, request.json)
    return OK


@dataclass(slots=True)
class Row:
    """One row: the request of ML.GET and ML.DEL."""

    pool: bytes
    namespace: Namespace
    key: bytes


@command(
    "ML.GET",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns the row of a model, of a model version, or of a job.",
    arguments=[_POOL, _NAMESPACE, _KEY],
    keys=[KeySpec("RO access", unknown=True)],
    key_finder=_find_key,
    key_name=_name_key,
    categories="model",
    request=Row,
)
def ml_get(ctx: Context, request: Row) -> Reply:
    """Returns nil if there is no such row. A stored text that is not JSON is a `BADRECORD` error.

    > ML.GET main model_versions spam@v3
    "{\\"data_hash\\": \\"9f2c\\"}"
    """
    check_pool(request.pool)
    return request.namespace.rows.get(ctx, request.pool, request.key)


@command(
    "ML.DEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Removes the row of a model, of a model version, or of a job.",
    arguments=[_POOL, _NAMESPACE, _KEY],
    keys=[KeySpec("RW access delete", unknown=True)],
    key_finder=_find_key,
    key_name=_name_key,
    categories="model",
    request=Row,
)
def ml_del(ctx: Context, request: Row) -> Reply:
    """Returns 1, or 0 if there is no such row. If the row of a model is removed, its versions
    stay. With a version go its weights and what was said about it.

        > ML.DEL main models nothing
        (integer) 0
    """
    check_pool(request.pool)
    return int(request.namespace.rows.delete(ctx, request.pool, request.key))


@dataclass(slots=True)
class List:
    pool: bytes
    namespace: Namespace
    cursor: bytes = b"0"
    count: int = PAGE_SIZE


@command(
    "ML.LIST",
    group="job",
    since="0.1.0",
    flags="readonly no_mandatory_keys",
    complexity="O(log(N)+M) for M returned rows out of N.",
    summary="Lists the rows of a namespace with their keys, a page at a time.",
    arguments=[
        _POOL,
        _NAMESPACE,
        String("cursor", "CURSOR", optional=True),
        PAGE,
    ],
    keys=[KeySpec("RO access", unknown=True)],
    key_finder=_find_pool,
    categories="model",
    request=List,
)
def ml_list(ctx: Context, request: List) -> Reply:
    """Returns a cursor and a map of keys to rows. Pass the cursor to the next call until it
    is 0. Jobs are in the order of their creation, models in that of their names, versions in
    that of model and number. A page has at most `COUNT` rows (default 100, never more than
    1,000). Rows that cannot be read are skipped.

        > ML.LIST main model_versions COUNT 10
        1) "0"
        2) 1) "spam@v3"
           2) "{...}"
    """
    check_pool(request.pool)
    cursor, rows = request.namespace.rows.list(ctx, request.pool, request.cursor, request.count)
    return [cursor, MapReply(rows)]


declare_family_help("ML", group="job", since="0.1.0")
