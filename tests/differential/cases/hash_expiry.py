"""Expiry of hash fields, where Valkey and Redis agree.

They use different encodings for a hash with deadlines, so none is left at the end.
"""

from tests.differential.compare import same_changes
from tests.differential.scripts import Script

LATER_THAN_REDIS_7_0 = True

_LATER, _LATEST = 4_000_000_000, 5_000_000_000

CASES: dict[str, Script] = {
    "conditions": [
        ("HSET", "h", "a", 1, "b", 2, "c", 3),
        ("HEXPIREAT", "h", _LATER, "FIELDS", 2, "a", "none"),
        ("HEXPIREAT", "h", _LATER, "NX", "FIELDS", 2, "a", "b"),
        ("HEXPIREAT", "h", _LATEST, "XX", "FIELDS", 2, "a", "c"),
        ("HEXPIREAT", "h", _LATER, "GT", "FIELDS", 3, "a", "b", "c"),
        ("HEXPIREAT", "h", _LATER, "LT", "FIELDS", 3, "a", "b", "c"),
        ("HPEXPIRETIME", "h", "FIELDS", 4, "a", "b", "c", "none"),
        ("HPERSIST", "h", "FIELDS", 3, "a", "a", "none"),
        ("HTTL", "h", "FIELDS", 2, "a", "b"),
        ("HTTL", "none", "FIELDS", 2, "a", "b"),
        ("HGETALL", "h"),
        ("DEL", "h"),
    ],
    "changes counted when several fields are made persistent": [
        ("HSET", "h", "a", 1, "b", 2, "c", 3),
        ("HEXPIREAT", "h", _LATER, "FIELDS", 2, "a", "b"),
        ("SAVE",),
        ("HPERSIST", "h", "FIELDS", 4, "a", "b", "c", "none"),
        same_changes("INFO", "persistence"),
        ("DEL", "h"),
    ],
    "times past": [
        ("HSET", "h", "a", 1, "b", 2),
        ("HEXPIREAT", "h", 1, "FIELDS", 2, "a", "a"),
        ("HGETEX", "h", "PXAT", 1, "FIELDS", 2, "b", "none"),
        ("EXISTS", "h"),
        ("HSETEX", "h", "EXAT", 1, "FIELDS", 1, "a", 1),
        ("EXISTS", "h"),
    ],
    "setting what has run out": [
        ("HSET", "h", "a", 1, "b", 2),
        ("SAVE",),
        ("WATCH", "h"),
        ("HSETEX", "h", "EXAT", 1, "FIELDS", 2, "new", 1, "newer", 2),
        same_changes("INFO", "persistence"),
        ("MULTI",),
        ("EXEC",),
        ("WATCH", "h"),
        ("HSETEX", "h", "EXAT", 1, "FIELDS", 2, "a", 1, "new", 2),
        same_changes("INFO", "persistence"),
        ("MULTI",),
        ("EXEC",),
        ("HGETALL", "h"),
        ("HSETEX", "h", "FXX", "EXAT", 1, "FIELDS", 1, "b", 1),
        ("EXISTS", "h"),
        ("WATCH", "h"),
        ("HSETEX", "h", "EXAT", 1, "FIELDS", 1, "a", 1),
        same_changes("INFO", "persistence"),
        ("MULTI",),
        ("EXEC",),
    ],
    "what keeps and what drops a deadline": [
        ("HSETEX", "h", "EXAT", _LATER, "FIELDS", 3, "a", 1, "b", 2, "c", 3),
        ("HINCRBY", "h", "a", 1),
        ("HINCRBYFLOAT", "h", "a", 1),
        ("HSETEX", "h", "KEEPTTL", "FXX", "FIELDS", 1, "b", 5),
        ("HSET", "h", "c", 6),
        ("HPEXPIRETIME", "h", "FIELDS", 3, "a", "b", "c"),
        ("HSETEX", "h", "FNX", "FIELDS", 2, "a", 1, "new", 2),
        ("HGETEX", "h", "PERSIST", "FIELDS", 2, "a", "c"),
        ("HGETDEL", "h", "FIELDS", 2, "a", "none"),
        ("HPEXPIRETIME", "h", "FIELDS", 3, "a", "b", "c"),
        ("HGETALL", "h"),
        ("DEL", "h"),
    ],
}
