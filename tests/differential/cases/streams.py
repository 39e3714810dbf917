"""Streams, their consumer groups, and XINFO."""

from tests.differential.compare import Call, loosely, redis_way, rounded_ms

Script = list[tuple[str | bytes | int | float, ...] | Call]


def script(text: str) -> Script:
    """Parse one command per line, its words separated by spaces."""
    return [tuple(line.split()) for line in text.strip().splitlines()]


def entries(key: str, *ids: str) -> Script:
    return [("XADD", key, entry_id, "field", entry_id) for entry_id in ids]


FIVE = entries("s", "1-1", "1-2", "2-0", "3-0", "3-5")
GROUP = [*FIVE, ("XGROUP", "CREATE", "s", "g", "0")]
PENDING = [
    *GROUP,
    ("XREADGROUP", "GROUP", "g", "alice", "COUNT", 2, "STREAMS", "s", ">"),
    ("XREADGROUP", "GROUP", "g", "bob", "COUNT", 2, "STREAMS", "s", ">"),
]
STATE: Script = [("XINFO", "STREAM", "s")]

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
    "making groups": script("""
        XGROUP
        XGROUP CREATE s
        XGROUP CREATE s g 0
        XGROUP CREATE s g 0 MKSTREAM
        XGROUP CREATE s g 0 MKSTREAM
        XGROUP CREATE s g foo
        XGROUP CREATE s h foo
        XGROUP CREATE s h -
        XGROUP CREATE s h +
        XGROUP CREATE s h $ mkstream entriesread 5
        XGROUP CREATE s i 0 ENTRIESREAD
        XGROUP CREATE s i 0 ENTRIESREAD -2
        XGROUP CREATE s i 0 ENTRIESREAD x
        XGROUP CREATE s i 0 FOO
        XGROUP CREATE nokey i - FOO
        XGROUP CREATE s i 1-5 ENTRIESREAD -1
        XGROUP SETID s g - ENTRIESREAD 4
        XGROUP SETID s h +
        XGROUP SETID s i $
        XGROUP SETID s i foo
        XGROUP SETID s nogroup 0
        XGROUP SETID s g 0 MKSTREAM
        XGROUP SETID nokey g 0
        XGROUP CREATECONSUMER s g alice
        XGROUP CREATECONSUMER s g alice
        XGROUP CREATECONSUMER s nogroup alice
        XGROUP CREATECONSUMER nokey g alice
        XGROUP DELCONSUMER s g alice
        XGROUP DELCONSUMER s g alice
        XGROUP DELCONSUMER s nogroup alice
        XINFO GROUPS s
        XGROUP DESTROY s g
        XGROUP DESTROY s g
        XGROUP DESTROY nokey g
        XGROUP FOO
        XGROUP FOO s g
        SET string x
        XGROUP CREATE string g 0
        XGROUP CREATE string g foo
        XGROUP SETID string g foo
        XGROUP DESTROY string g
    """),
    "XREADGROUP": GROUP + script("""
        XREADGROUP GROUP g alice COUNT 2 STREAMS s >
        XREADGROUP GROUP g alice STREAMS s 0
        XREADGROUP GROUP g alice STREAMS s 1-1
        XREADGROUP GROUP g alice COUNT 1 STREAMS s 0
        XREADGROUP GROUP g alice COUNT 0 STREAMS s 0
        XREADGROUP GROUP g alice COUNT -3 STREAMS s 0
        XREADGROUP GROUP g bob STREAMS s 0
        XREADGROUP GROUP g bob NOACK COUNT 1 STREAMS s >
        XDEL s 1-1
        XREADGROUP GROUP g alice STREAMS s 0
        XREADGROUP GROUP g bob STREAMS s s > >
        XREADGROUP GROUP g carol STREAMS s >
        XREADGROUP GROUP g dave BLOCK 1 STREAMS s >
        XINFO GROUPS s
        XREADGROUP GROUP g alice STREAMS s $
        XREADGROUP GROUP g alice STREAMS s foo
        XREADGROUP GROUP nogroup alice STREAMS s foo
        XREADGROUP GROUP g alice STREAMS nokey 0
        XREADGROUP GROUP g alice STREAMS s s > foo
        XREADGROUP GROUP g alice STREAMS s
        XREADGROUP GROUP g alice STREAMS s 0 0
        XREADGROUP GROUP g STREAMS s >
        XREADGROUP COUNT 1 BLOCK 1 STREAMS s >
        XREADGROUP GROUP g alice CLAIM 5 STREAMS s >
        SET string x
        XREADGROUP GROUP g alice STREAMS string foo
        MULTI
        XREADGROUP GROUP g alice BLOCK 0 STREAMS s >
        EXEC
    """),
    "reading again after going back": PENDING + script("""
        XGROUP SETID s g 1-1
        XREADGROUP GROUP g carol COUNT 2 STREAMS s >
        XINFO GROUPS s
        XPENDING s g
        XGROUP DELCONSUMER s g carol
        XPENDING s g
        XREADGROUP GROUP g carol STREAMS s >
        XINFO GROUPS s
    """),
    "acknowledging": PENDING + script("""
        XACK s g 1-1 1-1 9-9
        XACK s g foo
        XACK s nogroup foo
        XACK nokey g foo
        XPENDING s g
        XACK s g 1-2 2-0 3-0
        XPENDING s g
        SET string x
        XACK string g foo
    """),
    "XPENDING": [
        *PENDING,
        *script("""
            XPENDING s g
            XPENDING s nogroup
            XPENDING nokey g
            XPENDING s g - +
            XPENDING s g - + -1
            XPENDING s g - + 0
            XPENDING s g - + x
            XPENDING s g - + 10 nobody
            XPENDING s g x y z
            XPENDING s g x y 1
            XPENDING s g ( + 1
            XPENDING s g alice
            XPENDING s g IDLE
            XPENDING s g IDLE 0
            XPENDING s g IDLE 0 - +
            XPENDING s g IDLE x - + 10
            XPENDING s g IDLE x -
            XPENDING s g FOO 0 - + 10
            XPENDING s g IDLE 1000000 - + 10
            XPENDING s g IDLE 0 - + 1 alice bob
            XPENDING s g - + 1 alice bob carol dave
            SET string x
            XPENDING string g
            XPENDING string g x y z
        """),
        rounded_ms("XPENDING", "s", "g", "-", "+", 10),
        rounded_ms("XPENDING", "s", "g", "(1-1", "(3-0", 10),
        rounded_ms("XPENDING", "s", "g", "-", "+", 1, "bob"),
        rounded_ms("XPENDING", "s", "g", "IDLE", -5, "-", "+", 10, "alice"),
        rounded_ms("XPENDING", "s", "g", "-", "+", 1, "alice", "bob", "carol"),
    ],
    "XCLAIM": PENDING + script("""
        XCLAIM s g carol 0
        XCLAIM s g carol x 1-1
        XCLAIM s g carol -1 1-1
        XCLAIM s g carol 0 foo
        XCLAIM s g carol 0 1-1 FOO
        XCLAIM s g carol 0 1-1 IDLE
        XCLAIM s g carol 0 1-1 IDLE x
        XCLAIM s g carol 0 1-1 TIME x
        XCLAIM s g carol 0 1-1 RETRYCOUNT x
        XCLAIM s g carol 0 1-1 RETRYCOUNT -1
        XCLAIM s g carol 0 1-1 LASTID foo
        XCLAIM s g carol 0 1-1 IDLE -5 TIME -1
        XCLAIM s g carol 0 1-1 1-2 RETRYCOUNT 9 JUSTID
        XCLAIM s g carol 1000000 1-1
        XCLAIM s g carol 0 3-5
        XCLAIM s g dave 0 3-5 FORCE
        XCLAIM s g dave 0 9-9 FORCE
        XCLAIM s g dave 0 2-0 LASTID 3-5
        XINFO GROUPS s
        XDEL s 1-2
        XCLAIM s g alice 0 1-1 1-2 2-0
        XPENDING s g
        XCLAIM s nogroup carol x 1-1
        XCLAIM nokey g carol x 1-1
        SET string x
        XCLAIM string g carol x 1-1
    """),
    "XAUTOCLAIM": PENDING + script("""
        XAUTOCLAIM s g carol 0 0 COUNT 1
        XAUTOCLAIM s g carol 0 1-2 COUNT 2 JUSTID
        XAUTOCLAIM s g carol 0 (2-0
        XAUTOCLAIM s g carol 0 -
        XAUTOCLAIM s g carol 0 +
        XAUTOCLAIM s g carol 1000000 0
        XDEL s 1-2 3-0
        XAUTOCLAIM s g dave 0 0 COUNT 2
        XAUTOCLAIM s g dave 0 0
        XPENDING s g
        XAUTOCLAIM s g dave x 0
        XAUTOCLAIM s g dave 0 foo
        XAUTOCLAIM s g dave 0 (
        XAUTOCLAIM s g dave 0 0 COUNT 0
        XAUTOCLAIM s g dave 0 0 COUNT x
        XAUTOCLAIM s g dave 0 0 COUNT
        XAUTOCLAIM s g dave 0 0 FOO
        XAUTOCLAIM nokey g dave 0 0
        XAUTOCLAIM s nogroup dave 0 0
        SET string x
        XAUTOCLAIM string g dave 0 0
        XAUTOCLAIM string g dave x 0
    """),
    "XINFO": [
        *PENDING,
        *script("""
            XINFO
            XINFO FOO
            XINFO STREAM
            XINFO STREAM s
            XINFO STREAM s FOO
            XINFO STREAM s FULL FOO 1
            XINFO STREAM s FULL COUNT
            XINFO STREAM s FULL COUNT x
            XINFO STREAM nokey
            XINFO GROUPS s
            XINFO GROUPS nokey
            XINFO CONSUMERS s nogroup
            XINFO CONSUMERS nokey g
            SET string x
            XINFO STREAM string
            XINFO GROUPS string
            XINFO CONSUMERS string g
        """),
        loosely("XINFO", "CONSUMERS", "s", "g"),
        loosely("XINFO", "STREAM", "s", "FULL", "COUNT", -1),
    ],
    "lag": PENDING + script("""
        XINFO GROUPS s
        XGROUP CREATE s middle 2-0
        XGROUP CREATE s end $
        XGROUP CREATE s known 2-0 ENTRIESREAD 3
        XGROUP CREATE s beyond 9-0
        XGROUP CREATE s before 0 ENTRIESREAD 0
        XINFO GROUPS s
        XDEL s 3-0
        XINFO GROUPS s
        XREADGROUP GROUP middle alice STREAMS s >
        XREADGROUP GROUP known alice STREAMS s >
        XINFO GROUPS s
        XTRIM s MAXLEN 1
        XADD s 10-0 a b
        XINFO GROUPS s
        XREADGROUP GROUP before alice COUNT 1 STREAMS s >
        XINFO GROUPS s
        XDEL s 3-5 10-0
        XINFO GROUPS s
    """),
    # A group positioned before a deleted entry, with the rest of the stream after both.
    "lag past what was deleted": [
        *entries("s", "1-0", "2-0", "3-0"),
        ("XGROUP", "CREATE", "s", "g", "0"),
        ("XDEL", "s", "1-0"),
        redis_way("XINFO", "GROUPS", "s"),
    ],
    # Before 7.2.7, Redis counted deleted entries here: compare with Valkey.
    "lag across what was deleted": script("""
        XADD s 5-0 a b
        XDEL s 5-0
        XGROUP CREATE s counted 2-0 ENTRIESREAD 100
        XGROUP CREATE s unknown 2-0
        XGROUP CREATE s there 5-0 ENTRIESREAD 100
        XGROUP CREATE s zero 0 ENTRIESREAD 100
        XINFO GROUPS s
        XADD s 9-0 a b
        XINFO GROUPS s
        XADD s 10-0 a b
        XDEL s 9-0
        XINFO GROUPS s
        XREADGROUP GROUP unknown alice STREAMS s >
        XINFO GROUPS s
    """),
    # Approximate trimming removes whole nodes, limited to this many entries or bytes.
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
