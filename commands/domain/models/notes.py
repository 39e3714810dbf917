"""MODEL.TAG, UNTAG, DESCRIBE and METRICS: what may be said about a version after registration.

The note of a version is a JSON object with `description`, `tags` and `metrics`, each left out
where there is none. `metrics` has, for each name, the value and when it was reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from commands.domain.arguments import utf8_text
from commands.domain.calls import call_text, write
from commands.domain.errors import failure
from commands.domain.models.arguments import MODEL, version_argument
from commands.domain.models.events import announce
from commands.domain.models.rows import (
    HIGHEST_VERSION,
    Model,
    Row,
    checked_model,
    load_row,
    parse_row,
    read_version,
    require,
)
from commands.domain.records import checked_json, write_json
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Integer, String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

# The field of what is said about the model itself.
OF_MODEL = b"model"
LARGEST_NOTE = 1 << 18


@dataclass(slots=True)
class Note:
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metrics: Row = field(default_factory=dict)

    def encode(self) -> bytes:
        said = {"description": self.description, "tags": self.tags, "metrics": self.metrics}
        return write_json({name: value for name, value in said.items() if value})


def parse_note(text: bytes | None) -> Note | None:
    """Return what a stored note says; None if it cannot be read."""
    if text is None:
        return Note()
    stored = parse_row(text)
    if stored is None:
        return None
    description = stored.get("description")
    tags, metrics = stored.get("tags", {}), stored.get("metrics", {})
    readable = (
        (description is None or isinstance(description, str))
        and isinstance(tags, dict)
        and all(isinstance(value, str) for value in tags.values())
        and isinstance(metrics, dict)
    )
    if not readable:
        return None
    return Note(cast("str | None", description), cast("dict[str, str]", tags), cast("Row", metrics))


def read_note(ctx: Context, model: Model, word: bytes) -> Note:
    """Return the note of a version, or of the model; BADRECORD if it cannot be read."""
    note = parse_note(call_text(ctx, b"HGET", model.notes, word))
    if note is None:
        raise failure("BADRECORD", "note {} of model '{}' cannot be read", word, model.name)
    return note


def shown_note(note: Note) -> dict[bytes, Reply]:
    """Return the part of a version's map that may change."""
    return {
        b"description": None if note.description is None else note.description.encode(),
        b"tags": shown_tags(note),
        b"reported_metrics": write_json(note.metrics) if note.metrics else None,
    }


def shown_tags(note: Note) -> dict[bytes, Reply]:
    return {name.encode(): value.encode() for name, value in sorted(note.tags.items())}


def _write_note(ctx: Context, model: Model, word: bytes, note: Note) -> None:
    text = note.encode()
    if len(text) > LARGEST_NOTE:
        raise failure(
            "ERR",
            "note {} of model '{}' would have more than {} bytes",
            word, model.name, str(LARGEST_NOTE),
        )  # fmt: skip
    if text == b"{}":
        write(ctx, b"HDEL", model.notes, word)
    else:
        write(ctx, b"HSET", model.notes, word, text)


# --- commands -------------------------------------------------------------------------------

_KEY = String("key", convert=utf8_text("the key of a tag"))
_VALUE = String("value", convert=utf8_text("the value of a tag"))


@dataclass(slots=True)
class Tag:
    name: bytes
    version: int
    tag: list[tuple[str, str]]


@command(
    "MODEL.TAG",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N) with N the number of tags of the version",
    summary="Sets tags of a version, and returns all that it has.",
    arguments=[
        MODEL,
        version_argument(),
        ArgumentGroup("tag", _KEY, _VALUE, optional=True, multiple=True),
    ],
    request=Tag,
)
def model_tag(ctx: Context, request: Tag) -> Reply:
    """Keys and values are UTF-8. Tags that are not named stay as they are; without any, the tags
    are only returned. All that is said about a version may take 256 KB.

        > MODEL.TAG spam 1 stage testing team mail
        1) "stage"
        2) "testing"
        3) "team"
        4) "mail"
    """
    model = checked_model(request.name)
    word = require(ctx, model, request.version)
    note = read_note(ctx, model, word)
    tags = note.tags | dict(request.tag)
    if tags != note.tags:
        note.tags = tags
        _write_note(ctx, model, word, note)
        announce(ctx, model, "tag", version=request.version, tags=tags)
    return shown_tags(note)


@dataclass(slots=True)
class Untag:
    name: bytes
    version: int
    key: list[str]


@command(
    "MODEL.UNTAG",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(N) with N the number of tags of the version",
    summary="Removes tags of a version.",
    arguments=[
        MODEL,
        version_argument(),
        String("key", multiple=True, convert=utf8_text("the key of a tag")),
    ],
    request=Untag,
)
def model_untag(ctx: Context, request: Untag) -> Reply:
    """Returns how many of these tags there were.

    > MODEL.UNTAG spam 1 team nosuch
    (integer) 1
    """
    model = checked_model(request.name)
    word = require(ctx, model, request.version)
    note = read_note(ctx, model, word)
    tags = {name: value for name, value in note.tags.items() if name not in request.key}
    removed = len(note.tags) - len(tags)
    if removed:
        note.tags = tags
        _write_note(ctx, model, word, note)
        announce(ctx, model, "untag", version=request.version, tags=tags)
    return removed


@command(
    "MODEL.DESCRIBE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Sets the description of a version, or of a model.",
    arguments=[
        MODEL,
        Integer("version", optional=True, low=0, high=HIGHEST_VERSION),
        String("text"),
    ],
)
def model_describe(ctx: Context, argv: list[bytes]) -> Reply:
    """Without a version, the text describes the model. It is UTF-8; an empty one removes the
    description.

        > MODEL.DESCRIBE spam 'Finds unwanted mail.'
        OK
        > MODEL.DESCRIBE spam 1 'The first one.'
        OK
    """
    if len(argv) > 4:
        raise failure("ERR", "unknown option '{}'", argv[4])
    model = checked_model(argv[1])
    text = utf8_text("the description")(argv[-1]) or None
    if len(argv) == 3:
        version, word = None, OF_MODEL
        if load_row(ctx, model) is None:
            raise failure("NOTFOUND", "no model '{}'", model.name)
    else:
        version = read_version(argv[2])
        if version is None:
            raise failure(
                "ERR",
                "version must be an integer from 0 to {}, not '{}'",
                str(HIGHEST_VERSION), argv[2],
            )  # fmt: skip
        word = require(ctx, model, version)
    note = read_note(ctx, model, word)
    if text != note.description:
        note.description = text
        _write_note(ctx, model, word, note)
        announce(ctx, model, "describe", version=version, description=text)
    return OK


def _metrics(word: bytes) -> Row:
    value = checked_json(word, "json")
    if not isinstance(value, dict):
        raise CommandError("BADRECORD json must be an object of metrics")
    try:
        # It is stored and published within other objects.
        write_json([[[[value]]]])
    except TypeError:
        raise CommandError("BADRECORD json is nested too deeply") from None
    return value


@dataclass(slots=True)
class Metrics:
    name: bytes
    version: int
    json: Row


@command(
    "MODEL.METRICS",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N) with N the number of metrics of the version",
    summary="Adds metrics that became known after registration.",
    arguments=[MODEL, version_argument(), String("json", convert=_metrics)],
    request=Metrics,
)
def model_metrics(ctx: Context, request: Metrics) -> Reply:
    """Each member of the JSON object is a metric. It replaces the one of that name reported
    before and is stored with the time; null removes it. Returns all reported metrics as JSON.
    Those given at registration stay as they are.

        > MODEL.METRICS spam 1 '{"precision": 0.9}'
        "{\\"precision\\":{\\"value\\":0.9,\\"at\\":<time>}}"
    """
    model = checked_model(request.name)
    word = require(ctx, model, request.version)
    note = read_note(ctx, model, word)
    given = request.json
    metrics = {name: fact for name, fact in note.metrics.items() if given.get(name, 0) is not None}
    for name, value in given.items():
        if value is not None and not _has_value(metrics.get(name), value):
            metrics[name] = {"value": value, "at": ctx.now}
    if write_json(metrics) != write_json(note.metrics):
        note.metrics = metrics
        _write_note(ctx, model, word, note)
        announce(ctx, model, "metrics", version=request.version, metrics=given)
    return write_json(note.metrics)


def _has_value(fact: object, value: object) -> bool:
    """Whether a metric was reported with this value already: saying it again changes nothing."""
    if not isinstance(fact, dict) or "value" not in fact:
        return False
    return write_json(fact["value"]) == write_json(value)
