"""Streams: adding, reading, deleting and trimming entries, and XINFO STREAM."""

from tests.differential.scripts import FIVE, STATE, Script, entries, script

CASES: dict[str, Script] = {
    "ids of new entries": script("""
        XADD s 5-* a b
        XADD s 5-* a b
        XADD s 5 a b
        XADD s 5-1 a b
        XADD s 0-0 a b
        XADD s 0-* a b
        XADD z 0-* a b
        XADD z 0-* a b
        XADD s foo a b
        XADD s - a b
        XADD s + a b
        XADD s $ a b
        XADD s ( a b
        XADD s 7-7-7 a b
        XADD s 9-*- a b
        XADD s *-* a b
        XADD s -* a b
        XADD s 12- a b
        XADD s -0-1 a b
        XADD s +11-1 a b
        XADD s 012-1 a b
        XADD s 1--05 a b
        XADD s 13-0x1 a b
        XADD s 18446744073709551616 a b
        XADD s 14-18446744073709551616 a b
        XADD s 20-18446744073709551615 a b
        XADD s 20-* a b
        XADD s 18446744073709551615-18446744073709551615 a b
        XADD s * a b
        XADD s 18446744073709551615-* a b
        XADD s 18446744073709551615-18446744073709551615 a b
        XRANGE s - +
    """),
    "forms of XADD": script("""
        XADD s
        XADD s *
        XADD s * a
        XADD s 1-1 a b c
        XADD s foo a b c
        XADD s NOMKSTREAM 1-1 a b
        XADD s NOMKSTREAM 1-1
        XADD s maxlen 5 1-1 a b
        XADD s nomkstream MAXLEN ~ 5 NOMKSTREAM LIMIT 4 2-1 a b
        XADD s MAXLEN * a b
        XADD s MAXLEN ~ * a b
        XADD s MAXLEN = ~ 3-1 a b
        XADD s MAXLEN -1 3-1 a b
        XADD s MAXLEN 2
        XADD s MAXLEN 2 3
        XADD s MAXLEN 5 MINID 4 3-1 a b
        XADD s MAXLEN 5 MAXLEN 4 3-1 a b
        XADD s MAXLEN 5 LIMIT 10 3-1 a b
        XADD s MAXLEN 5 LIMIT 0 3-1 a b
        XADD s LIMIT 10 3-1 a b
        XADD s LIMIT 0 3-1 a b
        XADD s MAXLEN ~ 5 LIMIT -1 3-1 a b
        XADD s MAXLEN ~ 5 LIMIT 0 3-1 a b
        XADD s MAXLEN ~ 5 LIMIT x 4-1 a b
        XADD s MINID zz 4-1 a b
        XADD s MINID - 4-1 a b
        XADD s MINID = 3 4-1 a b a b c d
        XADD s MAXLEN 0 5-1 a b
        XADD s MAXLEN 0 4-1 a b
        XLEN s
        XLEN nokey
        SET string x
        XADD string 0-0 a b
        XADD string 1-1 a b
        XADD string foo a b
        XLEN string
    """),
    "ranges": FIVE + script("""
        XRANGE s - +
        XREVRANGE s + -
        XRANGE s + -
        XRANGE s 1 1
        XRANGE s 1 2
        XREVRANGE s 1 1
        XRANGE s (1-1 (3-5
        XRANGE s (1 +
        XRANGE s - (3
        XREVRANGE s (3 (1-1
        XRANGE s 1-2 1-2
        XRANGE s 9 +
        XRANGE s - + COUNT 2
        XREVRANGE s + - COUNT 2
        XRANGE s - + COUNT 0
        XRANGE s - + COUNT -1
        XRANGE s - + COUNT x
        XRANGE s - + COUNT
        XRANGE s - + COUNT 1 COUNT 2
        XRANGE s - + COUNT 9223372036854775807
        XRANGE s - + COUNT 9223372036854775808
        XRANGE s - + LIMIT 1
        XRANGE s ( +
        XRANGE s (- +
        XRANGE s foo +
        XRANGE s * +
        XRANGE s - (0-0
        XRANGE s (18446744073709551615-18446744073709551615 +
        XRANGE nokey - +
        XRANGE nokey - + COUNT 0
        XREVRANGE nokey + - COUNT 0
        SET string x
        XRANGE string - +
        XRANGE string foo +
    """),
    "deleting": FIVE + script("""
        XDEL s 1-2 1-2 9-9
        XDEL s foo
        XDEL s 1-1 foo
        XDEL s 1--0
        XDEL nokey 1 foo
        XINFO STREAM s
        XDEL s 3-5
        XADD s 3-5 a b
        XADD s 3-6 a b
        XDEL s 1-1 2-0 3-0 3-6
        XINFO STREAM s
        XRANGE s - +
        EXISTS s
        TYPE s
        XADD s 3-7 a b
        XINFO STREAM s
    """),
    "trimming": FIVE + script("""
        XTRIM s MAXLEN
        XTRIM s MAXLEN 4 4
        XTRIM s FOO 4
        XTRIM s LIMIT 4
        XTRIM s LIMIT 0
        XTRIM s LIMIT 0 MAXLEN
        XTRIM s MAXLEN ~
        XTRIM s MAXLEN =
        XTRIM s MAXLEN ~ 1 NOMKSTREAM
        XTRIM s MINID 2 LIMIT 3
        XTRIM nokey MAXLEN ~ 1
        XTRIM s MAXLEN ~ 2
        XTRIM s MAXLEN 4
        XTRIM s MINID 2
        XTRIM s MINID ~ 3
        XTRIM s MINID 3-1
        XINFO STREAM s
        XTRIM s MAXLEN 0
        XINFO STREAM s
    """),
    "XSETID": FIVE + script("""
        XSETID s
        XSETID s 0
        XSETID s 3-4
        XSETID s 3-5
        XSETID s 4-0 ENTRIESADDED 4
        XSETID s 4-0 ENTRIESADDED -1
        XSETID s 4-0 ENTRIESADDED x
        XSETID s 4-0 ENTRIESADDED
        XSETID s 4-0 ENTRIESADDED 10 MAXDELETEDID 5
        XSETID s 4-0 MAXDELETEDID 3-9 ENTRIESADDED 10
        XSETID s 4-0 FOO
        XSETID s *
        XSETID s -
        XINFO STREAM s
        XADD s 4-0 a b
        XADD s 4-1 a b
        XSETID nokey 1
        SET string x
        XSETID string 1
        XSETID string foo
    """),
    "XREAD": FIVE + entries("t", "7-0") + script("""
        XREAD STREAMS s 0
        XREAD STREAMS s t 2 0
        XREAD STREAMS s s 2 3
        XREAD STREAMS nokey s 0 3
        XREAD COUNT 1 STREAMS s t 0 0
        XREAD COUNT 0 STREAMS s 3
        XREAD COUNT -1 STREAMS s 3
        XREAD COUNT x STREAMS s 3
        XREAD COUNT 9223372036854775807 STREAMS s 3
        XREAD STREAMS s $
        XREAD STREAMS s 3-5
        XREAD STREAMS nokey 0
        XREAD STREAMS s >
        XREAD STREAMS s -
        XREAD STREAMS s foo
        XREAD STREAMS s 0 1
        XREAD STREAMS s
        XREAD STREAMS
        XREAD COUNT 1 s 0
        XREAD FOO STREAMS s 0
        XREAD GROUP g c STREAMS s 0
        XREAD NOACK STREAMS s 0
        XREAD BLOCK -1 STREAMS s 0
        XREAD BLOCK x STREAMS s 0
        XREAD BLOCK 0.5 STREAMS s 0
        XREAD BLOCK 9223372036854775808 STREAMS s 0
        XREAD BLOCK 1 STREAMS s $
        XREAD BLOCK 0 STREAMS s 0
        MULTI
        XREAD BLOCK 0 STREAMS s $
        XREAD BLOCK 0 STREAMS s 3
        EXEC
        SET string x
        XREAD STREAMS string 0
        XREAD STREAMS string foo
        XREAD STREAMS s string 0 0
    """),
    "XREAD of the last entry": FIVE + script("""
        XREAD STREAMS s +
        XREAD COUNT 5 STREAMS s s + +
        XREAD STREAMS nokey +
        XREAD BLOCK 5 STREAMS nokey +
    """),
    # Approximate trims remove whole nodes; a node is full after a number of entries or bytes.
    "nodes by entries": [
        ("CONFIG", "SET", "stream-node-max-entries", 3),
        *entries("s", *(f"{at}-0" for at in range(1, 21))),
        *STATE,
        *script("""
            XTRIM s MAXLEN ~ 18
            XTRIM s MAXLEN ~ 17
            XTRIM s MAXLEN ~ 5 LIMIT 2
            XTRIM s MAXLEN ~ 5 LIMIT 4
            XDEL s 8-0
            XTRIM s MINID ~ 12
            XTRIM s MINID ~ 13
            XTRIM s MAXLEN 5
            XTRIM s MAXLEN ~ 4
            XTRIM s MAXLEN ~ 3
            XINFO STREAM s
            XADD s MAXLEN ~ 0 30-0 a b
            XINFO STREAM s
        """),
        ("CONFIG", "SET", "stream-node-max-entries", 100),
    ],
    "nodes by bytes": [
        ("CONFIG", "SET", "stream-node-max-bytes", 300),
        *[
            ("XADD", "s", f"{at}-{at * 300}", field, value)
            for at, (field, value) in enumerate(
                [
                    *[("f", number) for number in ("0", "-1", "127", "128", "4095", "-4097")],
                    *[("f", number) for number in ("32767", "8388608", "2147483648", "-0", "01")],
                    *[("g", "v" * length) for length in (0, 1, 20, 62, 63, 64, 65, 126, 127, 128)],
                    *[("f", "v" * length) for length in (290, 299, 300, 301, 5000, 1)],
                    *[("h" * length, "v") for length in (1, 64, 250, 1)],
                ],
                start=1,
            )
        ],
        *STATE,
        ("XTRIM", "s", "MAXLEN", "~", 20),
        ("XTRIM", "s", "MAXLEN", "~", 10),
        ("XDEL", "s", "24-7200"),
        *STATE,
        ("CONFIG", "SET", "stream-node-max-bytes", 4096),
    ],
}  # fmt: skip

LATER_THAN_REDIS_7_0 = frozenset({"XREAD of the last entry"})
