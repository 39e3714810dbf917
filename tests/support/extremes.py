"""Requests with extreme arguments, for every declared command.

A command is written in several forms: with its required arguments, and with each optional one
added. In each form, every argument that is not a key is replaced by each extreme value in turn.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from commands.engine.grammar import Argument
from commands.engine.registry import Command

_POWERS = [sign * 2**power for power in (31, 32, 63, 64) for sign in (1, -1)]
_EDGES = [power + off for power in _POWERS for off in (-1, 0, 1)]
_NUMBERS = [b"0", b"-1", *(b"%d" % number for number in _EDGES)]
_NUMBERS += b"1e308 -1e308 1e309 1e-400 inf -inf nan 0x1p1023 0x1p99999 1e99999".split()
_NUMBERS += [b"9" * 5000, b"-" + b"9" * 5000, b"0." + b"3" * 5000, b"9" * 5000 + b"x", b"0" * 5000]
_TEXTS = [b"", b"-", b"+", b"(inf", b"[" + b"x" * 5000, b"\xff\r\n%s{}", b"*" * 5000, b"u64"]
_TEXTS += [b"%d-%d" % (2**64 - 1, 2**64 - 1), b"%d-1" % 2**64, b"1-" + b"9" * 5000, b"#%d" % 2**62]
VALUES = _NUMBERS + _TEXTS
_LONG = [b"9" * 1_000_000, b"?" * 1_000_000, b"9" * 1_000_000 + b"x"]
_MANY = 10_000

# The keys, one of each type, and the requests that make them.
KEYS: dict[bytes, list[list[str]]] = {
    b"string": [["SET", "string", "some text"]],
    b"number": [["SET", "number", "10"]],
    b"list": [["RPUSH", "list", "a", "b", "1", "2"]],
    b"set": [["SADD", "set", "a", "b", "c"]],
    b"intset": [["SADD", "intset", "1", "2", "3"]],
    b"zset": [["ZADD", "zset", "1", "a", "2", "b", "3", "c"]],
    b"hash": [["HSET", "hash", "a", "1", "b", "x", "f", "1.5"]],
    b"stream": [
        ["XADD", "stream", "1-1", "a", "1"],
        ["XGROUP", "CREATE", "stream", "group", "0"],
        ["XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">"],
    ],
    b"geo": [["GEOADD", "geo", "13.361389", "38.115556", "a", "15.087269", "37.502669", "b"]],
    b"hll": [["PFADD", "hll", "a", "b", "c"]],
    b"nothing": [],
}
_FOR_GROUP = {
    "string": b"number", "bitmap": b"string", "sorted_set": b"zset", "geo": b"geo",
    "hyperloglog": b"hll", "list": b"list", "set": b"set", "hash": b"hash", "stream": b"stream",
    "generic": b"list",
}  # fmt: skip

# Ordinary arguments, by name or else by type.
_BY_NAME = {
    "numkeys": b"1", "group": b"group", "consumer": b"consumer", "id": b"1-1", "start": b"0",
    "end": b"1", "min": b"0", "max": b"1", "cursor": b"0", "timeout": b"0.01", "encoding": b"u8",
    "longitude": b"13", "latitude": b"38", "protover": b"3", "type": b"hash",
}  # fmt: skip
_BY_TYPE = {"integer": b"1", "double": b"1.5", "unix-time": b"1", "pattern": b"*"}

_Form = list[bytes | Argument]


class Request(NamedTuple):
    """A request, and the key that must exist before it is sent."""

    key: bytes
    words: list[bytes]


def requests(command: Command) -> Iterator[Request]:
    """Return requests of a command with one extreme argument each."""
    first, *others = _forms(command)
    for key in _keys_for(command):
        for form in (first, *others):
            yield Request(key, [_ordinary(word, key) for word in form])
            # What all forms share is tried with the first one.
            yield from _replaced(form, key, VALUES, set() if form is first else set(first))


def large_requests(command: Command) -> Iterator[Request]:
    """Return requests of a command with one very long argument, or with very many arguments."""
    first, *others = _forms(command)
    key = _keys_for(command)[0]
    for form in (first, *others):
        yield from _replaced(form, key, _LONG, set() if form is first else set(first))
    required = [argument for argument in command.arguments if not argument.optional]
    for argument in command.arguments:
        if argument.multiple:
            words: _Form = _name(command)
            for other in command.arguments:
                if other is argument:
                    words += _flat(argument) * _MANY
                elif other in required:
                    words += _flat(other)
            yield Request(key, [_ordinary(word, key) for word in words])


def random_request(command: Command, rng: random.Random) -> Request:
    """Return a request in which any argument may be extreme."""
    key = rng.choice(list(KEYS))
    words = [
        rng.choice(VALUES)
        if isinstance(word, Argument) and word.kind != "key" and rng.random() < 0.4
        else _ordinary(word, key)
        for word in rng.choice(_forms(command))
    ]
    if rng.random() < 0.2:
        words.insert(rng.randrange(1, len(words) + 1), rng.choice(VALUES))
    return Request(key, words)


def _keys_for(command: Command) -> list[bytes]:
    """Return a key of the type that the command is for, a missing one, and one of another type."""
    key = _FOR_GROUP.get(command.group)
    if not command.keys or key is None:
        return [b"nothing"]
    return [key, b"nothing", b"string" if key == b"hash" else b"hash"]


def _replaced(
    form: _Form, key: bytes, values: Iterable[bytes], without: set[bytes | Argument]
) -> Iterator[Request]:
    for place, argument in enumerate(form):
        if isinstance(argument, Argument) and argument.kind != "key" and argument not in without:
            words = [_ordinary(word, key) for word in form]
            for value in values:
                yield Request(key, [*words[:place], value, *words[place + 1 :]])


def _forms(command: Command) -> list[_Form]:
    """Return the command with its required arguments, and with each optional one besides."""
    arguments = command.arguments
    forms = _written([argument for argument in arguments if not argument.optional])
    for added in arguments:
        if added.optional:
            forms += _written([a for a in arguments if a is added or not a.optional])
    return [_name(command) + form for form in forms]


def _name(command: Command) -> _Form:
    return [word.encode() for word in command.name.split(" ")]


def _written(arguments: Iterable[Argument]) -> list[_Form]:
    """Return the arguments in a row: once with the first parts of choices, then with others."""
    forms: list[_Form] = [[]]
    for argument in arguments:
        first, *others = (
            [_token(argument) + _flat(part) for part in argument.parts]
            if argument.kind == "oneof"
            else [_flat(argument)]
        )
        forms = [form + first for form in forms] + [forms[0] + other for other in others]
    return forms


def _flat(argument: Argument) -> _Form:
    """Return the words and arguments of one argument, with everything optional in it."""
    words = _token(argument)
    if argument.kind == "block":
        for part in argument.parts:
            words += _flat(part)
    elif argument.kind == "oneof":
        words += _flat(argument.parts[0])
    elif argument.kind != "pure-token":
        words.append(argument)
    return words


def _token(argument: Argument) -> _Form:
    return [word.encode() for word in (argument.token or "").split()]


def _ordinary(word: bytes | Argument, key: bytes) -> bytes:
    if isinstance(word, bytes):
        return word
    if word.kind == "key":
        return key
    return _BY_NAME.get(word.name) or _BY_TYPE.get(word.kind, b"a")
