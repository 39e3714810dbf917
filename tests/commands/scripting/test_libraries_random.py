"""The libraries answer as those of Redis, for random input."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

random_cases = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_SCRIPT = re.compile(r" script: [0-9a-f]{40}, on ")


def _reply(client: Connection, script: str, *arguments: bytes) -> Any:
    reply = client("EVAL", script, 0, *arguments)
    return Error(_SCRIPT.sub(" script: on ", reply.text)) if isinstance(reply, Error) else reply


# A value as text that does not depend on the order of a table.
SHOW = """
    local function show(value)
      if type(value) ~= 'table' then
        if type(value) == 'number' then return string.format('%.17g', value) end
        return value == cjson.null and 'null' or type(value) .. tostring(value)
      end
      local items = {}
      for key, item in pairs(value) do items[#items + 1] = show(key) .. '=' .. show(item) end
      table.sort(items)
      return '{' .. table.concat(items, ',') .. '}'
    end
"""


@random_cases
@given(data=st.binary(max_size=40))
def test_cmsgpack_reads_random_bytes_alike(
    server: RunningServer, redis7: Oracle, data: bytes
) -> None:
    script = SHOW + "return show({cmsgpack.unpack(ARGV[1])})"
    assert _reply(server.connect(), script, data) == _reply(redis7.connect(), script, data)


JSON = st.text('[]{}",:0123456789.eE+-truefalsnxiN\\u \t', max_size=30) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
).map(json.dumps)


@random_cases
@given(text=JSON)
def test_cjson_reads_random_text_alike(server: RunningServer, redis7: Oracle, text: str) -> None:
    script = SHOW + "return show(cjson.decode(ARGV[1]))"
    data = text.encode()
    assert _reply(server.connect(), script, data) == _reply(redis7.connect(), script, data)


@random_cases
@given(form=st.text("bBhHlLfdsxciI<>!0123456789 ", max_size=12), data=st.binary(max_size=40))
def test_struct_reads_random_bytes_alike(
    server: RunningServer, redis7: Oracle, form: str, data: bytes
) -> None:
    script = SHOW + "return {show({struct.unpack(ARGV[1], ARGV[2])}), struct.size(ARGV[1])}"
    arguments = (form.encode(), data)
    assert _reply(server.connect(), script, *arguments) == _reply(
        redis7.connect(), script, *arguments
    )


NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False).filter(lambda n: n != 0)


@random_cases
@given(form=st.text("bBhHlLfdxiI<>!12348 ", max_size=10), number=NUMBERS)
def test_numbers_are_packed_alike(
    server: RunningServer, redis7: Oracle, form: str, number: float
) -> None:
    script = """
        local n = tonumber(ARGV[2])
        local packed = struct.pack(ARGV[1], n, n, n, n, n, n, n, n, n, n)
        return {packed, cmsgpack.pack(n), cmsgpack.pack({n, x = n}), pcall(cjson.encode, n)}
    """
    arguments = (form.encode(), repr(number).encode())
    assert _reply(server.connect(), script, *arguments) == _reply(
        redis7.connect(), script, *arguments
    )
