"""Scripts to run on every server, one module per family.

A module exposes `CASES`, a dict of name to script. A script is a list of commands, each a
tuple of words, and starts on an empty server:

    CASES = {
        "lpush and lrange": [
            ("LPUSH", "list", "a", "b"),
            ("LRANGE", "list", 0, -1),
            as_set("SMEMBERS", "set"),
            ("RPUSH", "list"),
        ],
    }

Every reply must be exactly that of valkey-server, in RESP2 and in RESP3, and so must the
data at the end. A command written as a call of one of the functions of
`tests.differential.compare` (`as_set`, `in_any_order`, `rounded`, `loosely`, `code_only`,
`redis_way`) has that tolerance; commands whose replies have no order or depend on the clock
(`compare.BY_COMMAND`) need no mark. A module whose commands redis-server 7.0 does not know
sets `LATER_THAN_REDIS_7_0` to True, or to the names of such cases.
"""
