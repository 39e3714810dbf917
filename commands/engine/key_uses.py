"""How a request uses each of its keys, in the words of key specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from commands.engine.key_specs import KeySpec
from commands.engine.registry import Command


def key_uses(entry: Command, request: Sequence[bytes]) -> dict[int, str]:
    """Return the place of each key with how it is used.

    If several specs find a key, the first one counts.
    """
    uses: dict[int, str] = {}
    for spec in entry.keys:
        if "not_key" not in spec.access:
            for place in _places(spec, request):
                uses.setdefault(place, spec.access)
    if entry.key_finder is not None:
        # Keys that only the finder finds belong to the spec marked as unknown.
        unknown = [spec.access for spec in entry.keys if spec.unknown] or [""]
        for place in entry.key_finder(request):
            uses.setdefault(place, unknown[-1])
    varies = _VARYING.get(entry.name)
    if varies is not None and uses:
        return dict.fromkeys(uses, varies([word.upper() for word in request[2:]]))
    return uses


def _places(spec: KeySpec, request: Sequence[bytes]) -> Iterable[int]:
    """Return every place where a request may have a key of this spec.

    An option may be given twice, and the last one counts: `GEORADIUS ... STORE a STORE b`.
    """
    if spec.keyword is None or spec.numkeys or spec.last or spec.unknown:
        return spec.find(request)
    wanted = spec.keyword.encode()
    return [
        place + 1
        for place in range(max(spec.start, 1), len(request) - 1)
        if request[place].upper() == wanted
    ]


def _use_by_set(options: list[bytes]) -> str:
    return "RW access update" if b"GET" in options[1:] else "OW update"


def _use_by_bitfield(operations: list[bytes]) -> str:
    at = 0
    while at < len(operations):
        left = len(operations) - at - 1
        if operations[at] == b"GET" and left >= 2:
            at += 3
        elif operations[at] == b"OVERFLOW" and left >= 1:
            at += 2
        else:
            # A write, or an invalid operation.
            return "RW access update"
    return "RO access"


# Commands whose options determine how they use their key.
_VARYING: dict[str, Callable[[list[bytes]], str]] = {
    "SET": _use_by_set,
    "BITFIELD": _use_by_bitfield,
}
