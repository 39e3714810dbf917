"""The envelope of a checkpoint: writing, reading and validating it.

An envelope is one JSON object, `{"schema_version":1,"body":{...}}`. The body's members are
`id tenant_id thread_id parent_id step state next_node timestamp`, in this order. Where they
were given, `ns` (the namespace) precedes `parent_id`, and `bstate` (the size of the binary
state in bytes) and `meta` are last. The state is the client's own text, byte for byte: an
envelope is composed of texts and returned as text.

Every command reads envelopes with `read`, so all of them refuse the same ones. An envelope of
ordinary size is parsed once; what was found in it is remembered for its text.
"""

from __future__ import annotations

import re
from calendar import monthrange
from functools import lru_cache
from time import gmtime
from typing import Any, NamedTuple

import orjson

from commands.domain.checkpoints.keys import Thread
from commands.domain.errors import failure
from commands.domain.records import write_json
from commands.engine.numbers import UINT64_MAX

SCHEMA_VERSION = 1

_ENVELOPE = (
    b'{"schema_version":%d,"body":{"id":"%%b",%%b,"parent_id":%%b,"step":%%b,"state":%%b,'
    b'"next_node":%%b,"timestamp":"%%b"%%b}}' % SCHEMA_VERSION
)
# Where tenant and thread begin in an envelope that `compose` wrote; an id has 36 characters.
_BEGINNING = b'{"schema_version":%d,"body":{"id":"' % SCHEMA_VERSION
_IDENTITY_AT = len(_BEGINNING) + 36 + 2
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Both cases spelled out: a pattern with IGNORECASE takes twice as long.
_UUID_IN_ANY_CASE = _UUID.replace("a-f", "a-fA-F")
_is_uuid = re.compile(_UUID_IN_ANY_CASE).fullmatch
_is_uuid_word = re.compile(_UUID_IN_ANY_CASE.encode()).fullmatch
# RFC 3339; second 60 is a leap second.
_matches_timestamp = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# The name of a member, and what can be passed over inside of a value: up to the next bracket, or
# outside of brackets to the next comma, too. A large state is passed over in few steps.
_NAME = re.compile(rb"\s*+(%b)\s*+:" % _STRING, re.DOTALL)
_IN_VALUE = re.compile(rb'(?:[^"{}\[\]]++|%b)*+' % _STRING, re.DOTALL)
_TO_END = re.compile(rb'(?:[^"{}\[\],]++|%b)*+' % _STRING, re.DOTALL)
# Envelopes whose facts are remembered: so many, up to this size.
_REMEMBERED = 2048
_LARGEST_REMEMBERED = 32 * 1024


# --- identifiers and times -----------------------------------------------------------------


def canonical_id(word: bytes) -> bytes:
    """An id as it is stored. A word that is not a UUID is kept, and matches no checkpoint."""
    return word.lower() if _is_uuid_word(word) else word


def checked_id(word: bytes, argument: str) -> bytes:
    """An id from a client, as it is stored; an error if it is not a UUID."""
    if not _is_uuid_word(word):
        raise failure("ERR", "{} '{}' is not a UUID with hyphens", argument, word)
    return word.lower()


def timestamp(now: int) -> bytes:
    """Epoch milliseconds in RFC 3339, UTC."""
    seconds, milliseconds = divmod(now, 1000)
    return b"%b.%03dZ" % (_second(seconds), milliseconds)


@lru_cache(maxsize=2)
def _second(seconds: int) -> bytes:
    return b"%04d-%02d-%02dT%02d:%02d:%02d" % gmtime(seconds)[:6]


# --- writing -------------------------------------------------------------------------------


def compose(
    thread: Thread,
    checkpoint: bytes,
    *,
    parent: bytes | None,
    step: bytes,
    state: bytes,
    next_node: bytes,
    moment: bytes,
    meta: bytes | None,
    blob: bytes | None,
) -> bytes:
    """An envelope. `step`, `state`, `next_node` and `meta` are JSON texts."""
    last = b"" if blob is None else b',"bstate":%d' % len(blob)
    if meta is not None:
        last += b',"meta":' + meta
    return _ENVELOPE % (
        checkpoint,
        thread.identity,
        b"null" if parent is None else b'"%b"' % parent,
        step,
        state,
        next_node,
        moment,
        last,
    )


# --- reading -------------------------------------------------------------------------------


class Facts(NamedTuple):
    """What a valid envelope says, except its state."""

    id: bytes
    tenant: str
    thread: str
    path: str
    step: int
    next_node: bytes
    timestamp: str
    meta: Any
    # The size of the binary state; None if there is none.
    blob_size: int | None


class _Invalid(Exception):
    """An envelope is invalid: the code and text of the error."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


def read(envelope: bytes, checkpoint: bytes, thread: Thread) -> Facts:
    """The facts of a stored envelope; SCHEMA or BADRECORD if it is invalid.

    An envelope that names another tenant or thread than the keys it was found in is invalid:
    it must never be returned.
    """
    try:
        facts = _facts(envelope) if len(envelope) <= _LARGEST_REMEMBERED else _facts_anew(envelope)
    except _Invalid as invalid:
        raise thread.failure(invalid.code, invalid.text, checkpoint) from None
    if (
        facts.thread == thread.name
        and facts.tenant == thread.tenant
        and facts.path == thread.path
        and facts.id == checkpoint
    ):
        return facts
    for name, said, right in (
        ("tenant_id", facts.tenant, thread.tenant),
        ("thread_id", facts.thread, thread.name),
        ("ns", facts.path, thread.path),
        ("id", facts.id, checkpoint.lower()),
    ):
        if said != right:
            raise thread.failure("BADRECORD", f"a wrong {name} in checkpoint", checkpoint)
    return facts


def _facts_anew(envelope: bytes) -> Facts:
    """Parse an envelope."""
    try:
        value = orjson.loads(envelope)
    except ValueError:
        raise _Invalid("BADRECORD", "no valid JSON in checkpoint") from None
    if not isinstance(value, dict):
        raise _Invalid("BADRECORD", "no JSON object in checkpoint")
    _check_version(value.get("schema_version"))
    body = value.get("body")
    if not isinstance(body, dict):
        raise _Invalid("BADRECORD", "no body in checkpoint")
    node = body.get("next_node")
    size = body.get("bstate")
    return Facts(
        id=_uuid(body, "id").lower().encode(),
        tenant=_text(body, "tenant_id"),
        thread=_text(body, "thread_id"),
        path=_namespace(body),
        step=_step(body),
        next_node=write_json(node) if isinstance(node, str) else b"null",
        timestamp=_timestamp(body),
        meta=body.get("meta"),
        blob_size=size if size.__class__ is int and size >= 0 else None,
    )


# What is invalid is parsed each time: an exception is not remembered.
_facts = lru_cache(maxsize=_REMEMBERED)(_facts_anew)


def _check_version(version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool):
        raise _Invalid("SCHEMA", "no schema_version in checkpoint")
    if version <= 0:
        raise _Invalid("SCHEMA", f"invalid schema_version {version} in checkpoint")
    if version > SCHEMA_VERSION:
        raise _Invalid("SCHEMA", f"schema_version {version}, newer than supported, in checkpoint")


def _text(body: dict[str, Any], name: str) -> str:
    said = body.get(name)
    if not isinstance(said, str):
        raise _Invalid("BADRECORD", f"no {name} in checkpoint")
    if not said:
        raise _Invalid("BADRECORD", f"an empty {name} in checkpoint")
    return said


def _uuid(body: dict[str, Any], name: str) -> str:
    said = _text(body, name)
    if not _is_uuid(said):
        raise _Invalid("BADRECORD", f"a wrong {name} in checkpoint")
    return said


def _namespace(body: dict[str, Any]) -> str:
    path = body.get("ns")
    if path is None:
        return ""
    if not isinstance(path, str):
        raise _Invalid("BADRECORD", "a wrong ns in checkpoint")
    return path


def _step(body: dict[str, Any]) -> int:
    if "state" not in body:
        raise _Invalid("BADRECORD", "no state in checkpoint")
    if body.get("parent_id") is not None:
        _uuid(body, "parent_id")
    step = body.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step <= UINT64_MAX:
        raise _Invalid("BADRECORD", "no step in checkpoint")
    return step


def _timestamp(body: dict[str, Any]) -> str:
    said = _text(body, "timestamp")
    if not _is_timestamp(said):
        raise _Invalid("BADRECORD", "a wrong timestamp in checkpoint")
    return said


def _is_timestamp(text: str) -> bool:
    """Whether this is a date and time in RFC 3339 that exists."""
    match = _matches_timestamp(text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    # `monthrange` begins with the year 1, and every fourth century is alike.
    return day <= 28 or day <= monthrange(year + 400, month)[1]


# --- taking apart --------------------------------------------------------------------------


def members(envelope: bytes) -> dict[str, bytes]:
    """The texts of the members of an envelope's body. The envelope must be valid.

    The texts are cut out, not parsed and written again: that would change spaces, and numbers
    that do not fit a double.
    """
    return _texts(_texts(envelope)["body"])


def rehome(envelope: bytes, thread: Thread, target: Thread) -> bytes:
    """The same checkpoint as one of the other thread. The envelope must be valid."""
    if envelope.startswith(_BEGINNING):
        own_form = thread.identity + b',"parent_id":'
        if envelope.startswith(own_form, _IDENTITY_AT):
            rest = envelope[_IDENTITY_AT + len(thread.identity) :]
            return envelope[:_IDENTITY_AT] + target.identity + rest
    outer = _texts(envelope)
    body = _texts(outer["body"])
    body["thread_id"] = write_json(target.name)
    outer["body"] = _object(body)
    return _object(outer)


def _object(texts: dict[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(write_json(name) + b":" + text for name, text in texts.items())


def _texts(text: bytes) -> dict[str, bytes]:
    """The texts of the members of one JSON object; the last of members with the same name."""
    found: dict[str, bytes] = {}
    at = text.index(b"{") + 1
    while (named := _NAME.match(text, at)) is not None:
        end = _end_of_value(text, named.end())
        found[orjson.loads(named[1])] = text[named.end() : end].strip()
        at = end + 1
    return found


def _end_of_value(text: bytes, at: int) -> int:
    """Where the value of a member ends: the place of the comma or bracket behind it."""
    depth = 0
    while True:
        passed = (_IN_VALUE if depth else _TO_END).match(text, at)
        assert passed is not None
        at = passed.end()
        if text[at] in b"{[":
            depth += 1
        elif not depth:
            return at
        else:
            depth -= 1
        at += 1
