"""ML.*: raw persistence, a view on the rows that JOB.* and MODEL.* serve.

| namespace | key | where the value lies |
|---|---|---|
| `jobs` | a job's id: 32 lower-case hex digits | the row of that job in the pool |
| `models` | a model's name | the row of that model |
| `model_versions` | `<model>@v<n>`, split at the last `@v` | the row of that version |

Models know no pools: every pool sees the same ones. What is a valid value is the business
of the family that owns the row; every value is JSON.
"""

from __future__ import annotations

from collections.abc import Iterator

from commands.domain.errors import failure
from commands.domain.jobs.arguments import count_from
from commands.domain.jobs.jobs import delete_row, get_row, put_row
from commands.domain.jobs.reports import list_rows
from commands.domain.jobs.rows import Keys
from commands.domain.models.rows import (
    VERSIONS,
    Model,
    delete_model,
    delete_version,
    get_model,
    get_version,
    model_names,
    parse_version_key,
    put_model,
    put_version,
    version_key,
    versions_of,
)
from commands.domain.records import count_poison, read_json
from commands.engine.arguments import Arguments
from commands.engine.containers import declare_family_help
from commands.engine.errors import INVALID_CURSOR, SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply
from commands.instance.context import Context
from storage.errors import WrongType

_COUNT = 100
_NAMESPACES = (b"models", b"model_versions", b"jobs")
# In front of a key in a cursor, so that none can be taken for the 0 of the end.
_BEHIND = b"+"

_NAMED = (String("namespace"), String("key"))


def _pool_and_namespace(argv: list[bytes]) -> tuple[bytes, bytes]:
    """What every command of the family begins with, if both can be."""
    Keys(argv[1])
    if argv[2] not in _NAMESPACES:
        raise failure("NAMESPACE", "'{}' is none of models, model_versions and jobs", argv[2])
    return argv[1], argv[2]


def _checked_version(key: bytes) -> tuple[bytes, int]:
    """Model and version that a key names."""
    parsed = parse_version_key(key)
    if parsed is None:
        raise failure("ERR", "a key of model_versions is <model>@v<n>, not '{}'", key)
    return parsed


def _checked_text(namespace: bytes, key: bytes, text: bytes | None) -> bytes | None:
    """A stored value, BADRECORD if it is not JSON."""
    if text is not None:
        try:
            read_json(text)
        except ValueError:
            raise failure("BADRECORD", "{} of {} is not valid JSON", key, namespace) from None
    return text


@command(
    "ML.PUT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Stores the row of a model, of a version of one, or of a job.",
    arguments=[Key("pool", "RW access update"), *_NAMED, String("json")],
    categories="model",
)
def ml_put(ctx: Context, argv: list[bytes]) -> Reply:
    """Replaces what was there. The value is a JSON object, and in `jobs` the row of a job, as
    in JOB.PUT. A key of another form than its namespace has is an error.

        > ML.PUT main model_versions spam@v3 '{"data_hash": "9f2c"}'
        OK
    """
    pool, namespace = _pool_and_namespace(argv)
    key, value = argv[3], argv[4]
    if namespace == b"jobs":
        put_row(ctx, pool, key, value)
        return OK
    try:
        parsed = read_json(value)
    except ValueError:
        raise failure("BADRECORD", "the value of {} is not valid JSON", key) from None
    if not isinstance(parsed, dict):
        raise failure("BADRECORD", "the value of {} is not a JSON object", key)
    if namespace == b"models":
        put_model(ctx, key, value)
    else:
        put_version(ctx, *_checked_version(key), value)
    return OK


@command(
    "ML.GET",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Answers the row of a model, of a version of one, or of a job.",
    arguments=[Key("pool", "RO access"), *_NAMED],
    categories="model",
)
def ml_get(ctx: Context, argv: list[bytes]) -> Reply:
    """Nil where there is none; a stored value that cannot be read is a BADRECORD error.

    > ML.GET main model_versions spam@v3
    "{\\"data_hash\\": \\"9f2c\\"}"
    """
    pool, namespace = _pool_and_namespace(argv)
    key = argv[3]
    if namespace == b"jobs":
        return get_row(ctx, pool, key)
    if namespace == b"models":
        return _checked_text(namespace, key, get_model(ctx, key))
    parsed = parse_version_key(key)
    return None if parsed is None else _checked_text(namespace, key, get_version(ctx, *parsed))


@command(
    "ML.DEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Removes the row of a model, of a version of one, or of a job.",
    arguments=[Key("pool", "RW access delete"), *_NAMED],
    categories="model",
)
def ml_del(ctx: Context, argv: list[bytes]) -> Reply:
    """1 if it was there, else 0. Versions stay when the row of their model is removed.

    > ML.DEL main models nothing
    (integer) 0
    """
    pool, namespace = _pool_and_namespace(argv)
    key = argv[3]
    if namespace == b"jobs":
        return delete_row(ctx, pool, key)
    if namespace == b"models":
        return int(delete_model(ctx, key))
    parsed = parse_version_key(key)
    return 0 if parsed is None else int(delete_version(ctx, *parsed))


# --- lists ------------------------------------------------------------------------------------


@command(
    "ML.LIST",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M answered rows out of N.",
    summary="Lists the rows of a namespace with their keys, a page at a time.",
    arguments=[
        Key("pool", "RO access"),
        String("namespace"),
        String("cursor", token="CURSOR", optional=True),
        Integer("count", token="COUNT", optional=True),
    ],
    categories="model",
)
def ml_list(ctx: Context, argv: list[bytes]) -> Reply:
    """The answer is a cursor, which goes into the next call until it is 0, and a map of keys
    to values: jobs by creation, models by name, versions by model and number. What cannot
    be read is passed over.

        > ML.LIST main model_versions COUNT 10
        1) "0"
        2) 1) "spam@v3"
           2) "{...}"
    """
    pool, namespace = _pool_and_namespace(argv)
    cursor, count = b"0", _COUNT
    arguments = Arguments(argv, 3)
    while arguments:
        option = arguments.option()
        if option == b"CURSOR":
            cursor = arguments.word()
        elif option == b"COUNT":
            count = count_from(arguments.word(), 1)
        else:
            raise CommandError(SYNTAX)
    if namespace == b"jobs":
        following, jobs = list_rows(ctx, pool, cursor, count)
        return [following, MapReply([(job.id, job.row.encode()) for job in jobs])]
    if cursor != b"0" and not cursor.startswith(_BEHIND):
        raise CommandError(INVALID_CURSOR)
    behind = None if cursor == b"0" else cursor[len(_BEHIND) :]
    rows = _models(ctx, behind) if namespace == b"models" else _versions(ctx, behind)
    items: list[tuple[bytes, bytes]] = []
    for item in rows:
        if len(items) == count:
            return [_BEHIND + items[-1][0], MapReply(items)]
        items.append(item)
    return [b"0", MapReply(items)]


def _models(ctx: Context, behind: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Names and rows of the models behind one name."""
    for name in model_names(ctx, after=behind):
        try:
            text = _checked_text(b"models", name, get_model(ctx, name))
        except (CommandError, WrongType):
            count_poison(ctx)
            continue
        if text is not None:
            yield name, text


def _versions(ctx: Context, behind: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Keys and rows of the versions behind one of them."""
    after: tuple[bytes, int] | None = None
    if behind is not None:
        after = parse_version_key(behind)
        if after is None:
            raise CommandError(INVALID_CURSOR)
        yield from _versions_of(ctx, after[0], above=after[1])
    for name in model_names(ctx, after=None if after is None else after[0], among=VERSIONS):
        yield from _versions_of(ctx, name)


def _versions_of(ctx: Context, name: bytes, above: int = -1) -> Iterator[tuple[bytes, bytes]]:
    try:
        versions = versions_of(ctx, Model(name))
    except WrongType:
        count_poison(ctx)
        return
    for version in versions:
        if version <= above:
            continue
        key = version_key(name, version)
        try:
            text = _checked_text(b"model_versions", key, get_version(ctx, name, version))
        except (CommandError, WrongType):
            count_poison(ctx)
            continue
        if text is not None:
            yield key, text


declare_family_help("ML", group="job", since="0.1.0")
