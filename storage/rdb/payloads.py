"""Payloads: a single value by itself, as DUMP gives and RESTORE takes it.

A value is followed by the version of the format and a checksum of everything before it.
"""

from __future__ import annotations

from storage.rdb import codes
from storage.rdb.checksum import crc64
from storage.rdb.errors import RdbError
from storage.rdb.primitive_reader import PrimitiveReader
from storage.rdb.value_reader import read_value
from storage.rdb.value_writer import least_version, type_code, write_body
from storage.values.limits import Limits
from storage.values.types import Value

_VERSION_WIDTH, _CHECKSUM_WIDTH = 2, 8
_FOOT = _VERSION_WIDTH + _CHECKSUM_WIDTH


class PayloadMismatch(RdbError):
    """A payload of a version that is not known, or that does not match its checksum."""


def dump_value(value: Value, *, compress: bool = True) -> bytes:
    """The payload of a value, in the oldest version that holds all of it."""
    version = least_version(value)
    code = type_code(value, version)
    out = bytearray((code,))
    write_body(out, code, value, compress)
    out += version.to_bytes(_VERSION_WIDTH, "little")
    out += crc64(out).to_bytes(_CHECKSUM_WIDTH, "little")
    return bytes(out)


def load_value(payload: bytes, limits: Limits) -> Value:
    """The value in a payload; `PayloadMismatch` or another `RdbError` if there is none."""
    body = len(payload) - _FOOT
    if body < 0:
        raise PayloadMismatch("a payload that is too short", 0)
    version = int.from_bytes(payload[body : body + _VERSION_WIDTH], "little")
    if not codes.is_readable(version):
        raise PayloadMismatch(f"version {version} of the format is not known", body)
    said = int.from_bytes(payload[-_CHECKSUM_WIDTH:], "little")
    if said != crc64(memoryview(payload)[:-_CHECKSUM_WIDTH]):
        raise PayloadMismatch("the checksum does not match", body + _VERSION_WIDTH)
    source = PrimitiveReader(None, payload[:body])
    value = read_value(source, source.byte(), version, limits)
    if value is None:
        raise RdbError("a collection of nothing", 0)
    if source.offset != body:
        raise RdbError("something follows the value", source.offset)
    return value
