"""`maxmemory`: what is refused, which keys may be evicted, and how uses of keys are counted."""

from tests.differential.compare import loosely, redis_way
from tests.differential.scripts import Script

# Less than any server uses, so that everything that may be evicted is.
LIMIT: Script = [("CONFIG", "SET", "maxmemory", 1)]
NO_LIMIT: Script = [("CONFIG", "SET", "maxmemory", 0)]
KEYS: Script = [("SET", "plain", "v"), ("SET", "short", "v", "EX", 1000), ("RPUSH", "list", "a")]
LEFT: Script = [("EXISTS", "plain"), ("EXISTS", "short"), ("EXISTS", "list")]
_WRITE = "return redis.call('set', KEYS[1], 'x')"


def _policy(name: str) -> Script:
    return [
        ("CONFIG", "SET", "maxmemory-policy", name),
        *KEYS,
        *LIMIT,
        ("SET", "new", "v"),
        *LEFT,
        ("GET", "plain"),
        *NO_LIMIT,
        ("SET", "new", "v"),
    ]


CASES: dict[str, Script] = {
    "requests that need memory are refused": [
        *KEYS,
        ("INCR", "n"),
        *LIMIT,
        ("SET", "k", "v"),
        ("SET", "plain"),
        ("APPEND", "plain", "w"),
        ("INCR", "n"),
        ("RPUSH", "list", "b"),
        ("HSET", "h", "f", "v"),
        ("ZADD", "z", 1, "a"),
        ("XADD", "s", "*", "f", "v"),
        ("SADD", "set", "a"),
        ("COPY", "plain", "twin"),
        ("SETBIT", "bits", 1, 1),
        ("BLPOP", "list", 1),
        ("RENAME", "plain", "other"),
        ("EXPIRE", "other", 100),
        ("PERSIST", "short"),
        ("GETDEL", "other"),
        ("DEL", "short"),
        ("PUBLISH", "c", "m"),
        ("GET", "n"),
        ("PING",),
        ("FLUSHALL",),
        *NO_LIMIT,
        ("SET", "k", "v"),
    ],
    "transactions": [
        *LIMIT,
        ("MULTI",),
        ("SET", "k", "v"),
        ("EXEC",),
        ("MULTI",),
        redis_way("GET", "k"),
        redis_way("EXEC"),
        ("MULTI",),
        ("DISCARD",),
        ("WATCH", "k"),
        ("MULTI",),
        ("EXEC",),
        *NO_LIMIT,
        ("MULTI",),
        ("CONFIG", "SET", "maxmemory", 1),
        ("SET", "k", "v"),
        ("EXEC",),
        ("GET", "k"),
        ("SET", "k", "w"),
    ],
    "scripts": [
        ("SET", "k", "v"),
        *LIMIT,
        redis_way("EVAL", _WRITE, 1, "k"),
        ("EVAL", "return redis.pcall('set', KEYS[1], 'x')", 1, "k"),
        ("EVAL", "return redis.call('get', KEYS[1])", 1, "k"),
        ("EVAL", "redis.call('del', KEYS[1]) return redis.call('set', KEYS[1], 'x')", 1, "k"),
        ("EVAL", f"#!lua\n{_WRITE}", 1, "k"),
        ("EVAL", "#!lua\nreturn 1", 0),
        ("EVAL", f"#!lua flags=allow-oom\n{_WRITE}", 1, "k"),
        ("EVAL", "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])", 1, "k"),
        ("EVAL_RO", "return redis.call('get', KEYS[1])", 1, "k"),
        ("MULTI",),
        redis_way("EVAL", "return 1", 0),
        redis_way("EXEC"),
        *NO_LIMIT,
        ("EVAL", _WRITE, 1, "k"),
    ],
    **{
        f"eviction under {name}": _policy(name)
        for name in (
            "noeviction",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
        )
    },
    "idle times": [
        ("SET", "k", "v"),
        ("OBJECT", "IDLETIME", "k"),
        ("OBJECT", "FREQ", "k"),
        ("OBJECT", "FREQ", "missing"),
        ("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"),
        ("OBJECT", "IDLETIME", "k"),
        ("OBJECT", "IDLETIME", "missing"),
        ("OBJECT", "FREQ", "missing"),
        ("CONFIG", "SET", "maxmemory-policy", "volatile-lru"),
        ("OBJECT", "FREQ", "k"),
    ],
    "frequencies": [
        ("CONFIG", "SET", "maxmemory-policy", "volatile-lfu", "lfu-log-factor", 0),
        ("SET", "k", "v"),
        ("OBJECT", "FREQ", "k"),
        ("GET", "k"),
        ("GET", "k"),
        ("OBJECT", "FREQ", "k"),
        ("EXISTS", "k"),
        ("TYPE", "k"),
        ("TTL", "k"),
        ("STRLEN", "k"),
        ("TOUCH", "k"),
        ("OBJECT", "FREQ", "k"),
        ("HSET", "h", "f", "v"),
        *[("HGET", "h", "f")] * 300,
        ("OBJECT", "FREQ", "h"),
        ("CLIENT", "NO-TOUCH", "on"),
        ("GET", "k"),
        ("OBJECT", "FREQ", "k"),
        ("DEL", "k"),
        ("SET", "k", "v"),
        ("OBJECT", "FREQ", "k"),
    ],
    "memory in INFO": [
        ("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"),
        loosely("INFO", "memory"),
        loosely("INFO", "stats"),
        loosely("MEMORY", "STATS"),
    ],
}

LATER_THAN_REDIS_7_0 = {"frequencies"}
