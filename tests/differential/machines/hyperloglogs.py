"""HyperLogLogs, whose bytes are compared because they are strings.

Only their headers are damaged here: damage in the registers is reported by different commands
of the two servers, or makes them read past the end.
"""

from hypothesis import strategies as st

from tests.differential.machines.grammar import cmd, key, many, mixed, one, one_of, value

element = one(value, st.integers(0, 3000).map(lambda number: (f"element:{number}",)))
COMMANDS = mixed(
    one_of(
        cmd("PFADD", key, many(element, 0, 4)),
        cmd("PFADD", key, many(element, 20, 40)),
        cmd("PFCOUNT", many(key)),
        cmd("PFMERGE", key, many(key, 0, 3)),
        cmd("PFDEBUG", one("ENCODING", "DECODE", "TODENSE", "GETREG", "x"), key),
        cmd("GET", key),
        cmd("STRLEN", key),
        cmd("SETRANGE", key, "0", "HYLL"),
        # One byte only: a longer word would reach from the last byte of the header into the data.
        cmd("SETRANGE", key, one(0, 4, 5, 15), one("\x00", "\x01", "\xff")),
    )
)
