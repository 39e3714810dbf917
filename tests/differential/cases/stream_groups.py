"""Consumer groups of streams: reading, acknowledging, claiming, and XINFO."""

from tests.differential.compare import loosely, redis_way, rounded_ms
from tests.differential.scripts import FIVE, Script, entries, script

GROUP: Script = [*FIVE, ("XGROUP", "CREATE", "s", "g", "0")]
PENDING: Script = [
    *GROUP,
    ("XREADGROUP", "GROUP", "g", "alice", "COUNT", 2, "STREAMS", "s", ">"),
    ("XREADGROUP", "GROUP", "g", "bob", "COUNT", 2, "STREAMS", "s", ">"),
]

CASES: dict[str, Script] = {
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
    # The group has read up to before a deleted entry.
    "lag past what was deleted": [
        *entries("s", "1-0", "2-0", "3-0"),
        ("XGROUP", "CREATE", "s", "g", "0"),
        ("XDEL", "s", "1-0"),
        redis_way("XINFO", "GROUPS", "s"),
    ],
    # Before 7.2.7, Redis counted deleted entries here, so Valkey decides.
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
}  # fmt: skip
