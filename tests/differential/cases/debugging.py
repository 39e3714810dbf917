"""DEBUG: replies of every type, errors, and the digests of all kinds of data."""

from tests.differential.compare import Call, loosely, redis_way

Script = list[tuple[str | bytes | int | float, ...] | Call]

WORDS: Script = [
    ("DEBUG",),
    ("DEBUG", "FOO"),
    ("DEBUG", "SLEEP"),
    ("DEBUG", "SLEEP", "x"),
    ("DEBUG", "SLEEP", -1),
    ("DEBUG", "SLEEP", 0, 0),
    ("DEBUG", "OBJECT"),
    ("DEBUG", "OBJECT", "nothing"),
    ("DEBUG", "SDSLEN", "nothing"),
    ("DEBUG", "LISTPACK", "nothing"),
    ("DEBUG", "QUICKLIST", "nothing"),
    ("DEBUG", "HTSTATS-KEY", "nothing"),
    ("DEBUG", "HTSTATS", "x"),
    ("DEBUG", "HTSTATS", 99),
    loosely("DEBUG", "HTSTATS", 0),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "100b"),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", 0),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "x"),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", 99999999999),
    ("DEBUG", "SET-ACTIVE-EXPIRE", 0),
    ("DEBUG", "SET-ACTIVE-EXPIRE", 1),
    ("DEBUG", "SET-ACTIVE-EXPIRE"),
    ("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 0),
    ("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0),
    ("DEBUG", "PAUSE-CRON", 0),
    ("DEBUG", "PAUSE-CRON", "x"),
    ("DEBUG", "CHANGE-REPL-ID"),
    ("DEBUG", "CHANGE-REPL-ID", "x"),
    ("DEBUG", "LOG", "hello"),
    ("DEBUG", "LOG"),
    ("DEBUG", "ERROR", "ERR boo"),
    ("DEBUG", "ERROR", "boo"),
    ("DEBUG", "ERROR", "A\r\nB"),
    ("DEBUG", "REPLYBUFFER", "RESIZING", 1),
    ("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "never"),
    ("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "reset"),
    ("DEBUG", "REPLYBUFFER", "FOO", 1),
    ("DEBUG", "JMAP"),
]
PROTOCOL: Script = [
    ("DEBUG", "PROTOCOL", kind)
    for kind in (
        "string",
        "integer",
        "double",
        "bignum",
        "null",
        "array",
        "set",
        "map",
        "attrib",
        "verbatim",
        "true",
        "FALSE",
        "foo",
    )
]
POPULATE: Script = [
    ("SET", "key:1", "mine"),
    ("DEBUG", "POPULATE", 3),
    ("GET", "key:1"),
    ("DEBUG", "POPULATE", 3, "pre", 10),
    ("DEBUG", "POPULATE", 3, "short", 3),
    ("GET", "pre:2"),
    ("GET", "short:2"),
    ("DEBUG", "POPULATE", "x"),
    ("DEBUG", "POPULATE", -1),
    ("DEBUG", "POPULATE", 3, "pre", "x"),
    ("DEBUG", "POPULATE", 1, "pre", 3, 4),
    ("DBSIZE",),
    ("DEBUG", "DIGEST"),
]
KEYS = ("s", "i", "raw", "l", "set", "ints", "z", "h", "x", "nothing")
DIGESTS: Script = [
    ("DEBUG", "DIGEST"),
    ("DEBUG", "DIGEST", "x"),
    ("DEBUG", "DIGEST-VALUE"),
    ("SET", "s", "value"),
    ("SET", "i", -42),
    ("APPEND", "raw", b"\x00\xff"),
    ("SETBIT", "raw", 100, 1),
    ("RPUSH", "l", "a", "b", "", 3),
    ("SADD", "set", "a", "b", "c"),
    ("SADD", "ints", 3, 1, 2),
    ("ZADD", "z", 1, "a", 2.5, "b", "-inf", "c"),
    ("HSET", "h", "f", "v", "g", ""),
    ("XADD", "x", "5-1", "f", "v", "g", "w"),
    ("XADD", "x", "6-0", "f", "v"),
    ("XDEL", "x", "5-1"),
    ("DEBUG", "DIGEST-VALUE", *KEYS),
    ("DEBUG", "DIGEST"),
    *[("PEXPIREAT", key, 99999999999999) for key in KEYS],
    ("DEBUG", "DIGEST-VALUE", *KEYS),
    ("SELECT", 3),
    ("SET", "s", "elsewhere"),
    ("DEBUG", "DIGEST-VALUE", "s"),
    ("DEBUG", "DIGEST"),
]
# Valkey formats these scores differently before it adds them to the digest.
SCORES: Script = [
    ("ZADD", "z", "3.0000000000000004", "b", "1e300", "d", "-0", "e", 0.1, "f"),
    redis_way("DEBUG", "DIGEST-VALUE", "z"),
]
LARGE: Script = [
    *[("SADD", "set", *range(at, at + 50), "x") for at in range(0, 600, 50)],
    *[("ZADD", "z", at, f"member {at}") for at in range(200)],
    *[("HSET", "h", at, "x" * at) for at in range(100)],
    *[("RPUSH", "l", "y" * 1000) for _ in range(20)],
    ("DEBUG", "DIGEST-VALUE", "set", "z", "h", "l"),
    ("DEBUG", "LISTPACK", "set"),
    ("DEBUG", "LISTPACK", "h"),
    ("DEBUG", "QUICKLIST", "l"),
    ("DEBUG", "QUICKLIST", "h"),
    ("DEBUG", "SDSLEN", "h"),
    loosely("DEBUG", "HTSTATS-KEY", "set"),
    loosely("DEBUG", "OBJECT", "l"),
]

CASES: dict[str, Script] = {
    "words": WORDS,
    "protocol": PROTOCOL,
    "populate": POPULATE,
    "digests": DIGESTS,
    "digests of scores": SCORES,
    "digests of large values": LARGE,
}
