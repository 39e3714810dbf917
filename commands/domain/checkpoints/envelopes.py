"""The envelope of a checkpoint: writing, reading and validating it.

An envelope is one JSON object, `{"schema_version":1,"body":{...}}`. The body's members are
`id tenant_id thread_id parent_id step state next_node timestamp`, in this order, and `meta`
where it was given. The state is the client's own text, byte for byte: an envelope is composed
of texts and returned as text. If it begins and ends as `compose` writes it, its state was
validated when it was stored and need not be parsed again; anything else is parsed in full.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from time import gmtime
from typing import Any

import orjson

from commands.domain.checkpoints.keys import Thread
from commands.domain.errors import failure
from commands.domain.records import write_json

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
_is_timestamp = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
# What `compose` writes between the identity and the state, and after the state.
_begins_state = re.compile(
    rb',"parent_id":(?:null|"%b"),"step":[0-9]+,"state":' % _UUID.encode()
).match
_ends_envelope = re.compile(
    rb',"next_node":(?:null|"(?:[^"\\]++|\\.)*+"),"timestamp":"[0-9T:.-]+Z"(?:,"meta":(\{.*\}))?\}\}',
    re.DOTALL,
).fullmatch
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# The name of a member, and what can be passed over inside of a value: up to the next bracket, or
# outside of brackets to the next comma, too. A large state is passed over in few steps.
_NAME = re.compile(rb"\s*+(%b)\s*+:" % _STRING, re.DOTALL)
_IN_VALUE = re.compile(rb'(?:[^"{}\[\]]++|%b)*+' % _STRING, re.DOTALL)
_TO_END = re.compile(rb'(?:[^"{}\[\],]++|%b)*+' % _STRING, re.DOTALL)


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
) -> bytes:
    """An envelope. `step`, `state`, `next_node` and `meta` are JSON texts."""
    return _ENVELOPE % (
        checkpoint,
        thread.identity,
        b"null" if parent is None else b'"%b"' % parent,
        step,
        state,
        next_node,
        moment,
        b"" if meta is None else b',"meta":' + meta,
    )


# --- reading -------------------------------------------------------------------------------


def read(envelope: bytes, checkpoint: bytes, thread: Thread) -> dict[str, Any]:
    """The body of a stored envelope; SCHEMA or BADRECORD if it is invalid.

    An envelope that names another tenant or thread than the keys it was found in is invalid:
    it must never be returned.
    """
    try:
        value = orjson.loads(envelope)
    except ValueError:
        raise thread.failure("BADRECORD", "no valid JSON in checkpoint", checkpoint) from None
    try:
        # A fast check that nearly all envelopes pass; `_fault` decides about the others.
        body: dict[str, Any] = value["body"]
        version, step, parent = value["schema_version"], body["step"], body["parent_id"]
        if (
            version == SCHEMA_VERSION
            and version.__class__ is int
            and step.__class__ is int
            and step >= 0
            and body["id"].encode() == checkpoint
            and body["tenant_id"] == thread.tenant
            and body["thread_id"] == thread.name
            and (parent is None or _is_uuid(parent))
            and _is_timestamp(body["timestamp"])
            and "state" in body
        ):
            return body
    except (KeyError, TypeError, AttributeError):
        pass
    fault = _fault(value, checkpoint, thread)
    if fault is not None:
        raise thread.failure(*fault, checkpoint)
    return body


def check(envelope: bytes, checkpoint: bytes, thread: Thread) -> None:
    """Check that an envelope may be returned; raises the errors of `read`.

    The state in an envelope that `compose` wrote is not parsed again: in a history of large
    states that would take longer than everything else.
    """
    if envelope.startswith(b'%b%b",%b' % (_BEGINNING, checkpoint, thread.identity)):
        begun = _begins_state(envelope, _IDENTITY_AT + len(thread.identity))
        end = envelope.rfind(b',"next_node":')
        if begun and begun.end() < end and (ended := _ends_envelope(envelope, end)):
            with suppress(ValueError):
                if ended[1] is not None:
                    orjson.loads(ended[1])
                return
    read(envelope, checkpoint, thread)


def _fault(value: Any, checkpoint: bytes, thread: Thread) -> tuple[str, str] | None:
    """What is wrong with an envelope, as code and text of an error."""
    if not isinstance(value, dict):
        return "BADRECORD", "no JSON object in checkpoint"
    version = value.get("schema_version")
    if version.__class__ is not int:
        return "SCHEMA", "no schema_version in checkpoint"
    if version <= 0:
        return "SCHEMA", f"invalid schema_version {version} in checkpoint"
    if version > SCHEMA_VERSION:
        return "SCHEMA", f"schema_version {version}, newer than supported, in checkpoint"
    body = value.get("body")
    if not isinstance(body, dict):
        return "BADRECORD", "no body in checkpoint"
    for name, is_right in (
        ("id", lambda said: said.lower().encode() == checkpoint),
        ("tenant_id", lambda said: said == thread.tenant),
        ("thread_id", lambda said: said == thread.name),
        ("timestamp", _is_timestamp),
    ):
        said = body.get(name)
        if not isinstance(said, str):
            return "BADRECORD", f"no {name} in checkpoint"
        if not said:
            return "BADRECORD", f"an empty {name} in checkpoint"
        if not is_right(said):
            return "BADRECORD", f"a wrong {name} in checkpoint"
    step = body.get("step")
    if step.__class__ is not int or step < 0:
        return "BADRECORD", "no step in checkpoint"
    parent = body.get("parent_id")
    if parent is not None and not (isinstance(parent, str) and _is_uuid(parent)):
        return "BADRECORD", "a wrong parent_id in checkpoint"
    if "state" not in body:
        return "BADRECORD", "no state in checkpoint"
    return None


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
