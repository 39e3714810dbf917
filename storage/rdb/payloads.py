"""Payloads: a single value, as DUMP returns and RESTORE accepts it, or libraries of functions.

The content is followed by the RDB version and a checksum of everything before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from storage.rdb import codes
from storage.rdb.checksum import crc64
from storage.rdb.errors import RdbError
from storage.rdb.primitive_reader import PrimitiveReader
from storage.rdb.primitive_writer import string
from storage.rdb.value_reader import read_value
from storage.rdb.value_writer import least_version, type_code, write_body
from storage.values.limits import Limits
from storage.values.types import Value

_VERSION_WIDTH, _CHECKSUM_WIDTH = 2, 8
_FOOT = _VERSION_WIDTH + _CHECKSUM_WIDTH


class NotALibrary(RdbError):
    """A payload contains something else than libraries."""


class PayloadMismatch(RdbError):
    """A payload of an unsupported version, or one that does not match its checksum."""


def dump_value(value: Value, *, compress: bool = True) -> bytes:
    """Return the payload of a value, in the oldest version that can represent it."""
    version = least_version(value)
    code = type_code(value, version)
    out = bytearray((code,))
    write_body(out, code, value, compress)
    return _sealed(out, version)


def load_value(payload: bytes, limits: Limits) -> Value:
    """Return the value in a payload; raise `PayloadMismatch` or another `RdbError`."""
    version = _checked_version(payload)
    body = len(payload) - _FOOT
    source = PrimitiveReader(None, payload[:body])
    value = read_value(source, source.byte(), version, limits)
    if value is None:
        raise RdbError("the collection is empty", 0)
    if source.offset != body:
        raise RdbError("unexpected data after the value", source.offset)
    return value


def dump_libraries(libraries: Iterable[bytes], *, compress: bool = True) -> bytes:
    """Return the payload of libraries of functions, given their source code."""
    out = bytearray()
    for code in libraries:
        out.append(codes.FUNCTION)
        out += string(code, compress)
    return _sealed(out, codes.OLDEST_WRITTEN)


def load_libraries(payload: bytes) -> list[bytes]:
    """Return the source code of the libraries in a payload.

    `PayloadMismatch`, `NotALibrary`, or another `RdbError`.
    """
    _checked_version(payload)
    body = len(payload) - _FOOT
    source = PrimitiveReader(None, payload[:body])
    libraries: list[bytes] = []
    while (started := source.offset) < body:
        if source.byte() != codes.FUNCTION:
            raise NotALibrary("there is something else than a library", started)
        libraries.append(source.string())
    return libraries


def _sealed(content: bytearray, version: int) -> bytes:
    content += version.to_bytes(_VERSION_WIDTH, "little")
    content += crc64(content).to_bytes(_CHECKSUM_WIDTH, "little")
    return bytes(content)


def _checked_version(payload: bytes) -> int:
    body = len(payload) - _FOOT
    if body < 0:
        raise PayloadMismatch("the payload is too short", 0)
    version = int.from_bytes(payload[body : body + _VERSION_WIDTH], "little")
    if not codes.is_readable(version):
        raise PayloadMismatch(f"RDB version {version} is not supported", body)
    said = int.from_bytes(payload[-_CHECKSUM_WIDTH:], "little")
    if said != crc64(memoryview(payload)[:-_CHECKSUM_WIDTH]):
        raise PayloadMismatch("the checksum does not match", body + _VERSION_WIDTH)
    return version
