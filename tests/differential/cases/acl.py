"""ACL: users, their rules and how they are shown, and what each may do."""

from collections.abc import Iterable

from tests.differential.compare import code_only, loosely, redis_way, refusals
from tests.differential.scripts import Script, script


def rules(*given: str) -> Script:
    """Give a new user rules, one at a time, and show it after each."""
    shown: Script = [("ACL", "DELUSER", "u")]
    for rule in given:
        shown += [("ACL", "SETUSER", "u", *rule.split(" ")), ("ACL", "LIST")]
    return shown


def dry_runs(given: str, requests: Iterable[str]) -> Script:
    """Whether a user with these rules may run requests."""
    asked: Script = [("ACL", "DRYRUN", "u", *request.split(" ")) for request in requests]
    return [("ACL", "SETUSER", "u", "reset", *given.split(" ")), *asked]


def acting(given: str, requests: Iterable[str]) -> Script:
    """Run requests as a user with these rules."""
    return [
        ("ACL", "SETUSER", "u", "reset", "on", "nopass", *given.split(" ")),
        ("AUTH", "u", "x"),
        *(tuple(request.split(" ")) for request in requests),
        ("AUTH", "default", "x"),
    ]


REQUESTS = [
    "GET a", "GET b", "GET r", "GET w", "SET a 1", "SET r 1", "SET w 1", "SET w 1 GET", "MGET a b",
    "MGET a ab", "COPY r w", "COPY w r", "EXISTS w r", "EXISTS x", "STRLEN w", "APPEND w x",
    "DEL w", "DEL r", "TYPE r", "TYPE x", "TTL x", "RENAME a ab", "RENAME r w", "SORT a BY x_*",
    "SORT a GET #", "SORT a STORE b", "SORT a STORE ab", "SORT_RO a", "BITFIELD r GET u8 0",
    "BITFIELD r SET u8 0 1", "LMOVE a ab LEFT LEFT", "ZUNIONSTORE a 2 r b", "ZUNION 2 r a",
    "XREAD STREAMS a b 0 0", "XREAD STREAMS a r 0 0", "XREADGROUP GROUP g c STREAMS a >",
    "PFCOUNT a r", "OBJECT ENCODING r", "OBJECT ENCODING x", "MEMORY USAGE x", "EVAL return 0",
    "EVAL 'return' 1 b", "EVAL 'return' 1 a", "EVAL_RO 'return' 1 r", "PUBLISH ch m",
    "PUBLISH other m", "SPUBLISH ch1 m", "SUBSCRIBE ch ch2", "SUBSCRIBE ch other",
    "PSUBSCRIBE ch*", "PSUBSCRIBE ch1*", "SSUBSCRIBE ch", "UNSUBSCRIBE other", "PING", "CONFIG",
       "CONFIG GET x", "CONFIG SET a b", "SELECT 0", "SELECT 1", "ACL WHOAMI", "CLIENT ID",
    "AUTH x",
    "HELLO 3", "QUIT", "RESET", "MULTI", "EXEC", "WATCH a b", "GETDEL a", "LPOP w",
    "SINTERCARD 1 a",
    "GEORADIUS a 1 1 1 m STORE b", "GEOSEARCHSTORE b a FROMMEMBER m BYRADIUS 1 m", "KEYS *",
    "SCAN 0", "DBSIZE", "FLUSHALL", "RANDOMKEY", "SWAPDB 0 1", "DUMP r", "RESTORE w 0 x", "get a",
]  # fmt: skip

RULES = [
    "on", "off", ">p", ">p", ">q", "<p", "<p", "nopass", "resetpass", "#zz", f"#{'a' * 64}",
    f"#{'A' * 64}", f"!{'a' * 64}", f"!{'a' * 64}", "!", ">", "<", "#", "ON", "NoPass", "~a", "~a",
    "%R~a", "%W~b", "%R~b", "%rw~c", "%RW~c", "%RR~c", "%~c", "%R", "%", "~", "%R~", "allkeys",
    "~x", "%R~x", "resetkeys", "~*", "resetkeys", "%R~*", "~*", "resetkeys", "&a", "&a", "&*",
    "&b", "resetchannels", "&", "allchannels", "resetchannels", "+get", "+GET", "-get", "+foo",
    "-foo", "+", "-", "+get|x", "+get|y", "+get", "-get|x", "+config|get", "+config|set",
    "-config|get", "+config", "-config|set", "+config|get", "-config", "+config|", "+config|foo",
    "-config|", "+config|get|x", "+@read", "-@write", "+@read", "+@READ", "+@foo", "-@foo", "+@",
    "+@all", "-get", "+get", "-@all", "+@all", "nocommands", "allcommands", "-@dangerous",
    "+config|get", "-@slow", "+select|0", "+select|1", "-select", "+SELECT|a", "+select|0|1",
    "(+get ~a)", "(%R~x &c +@all -get)", "()", "( )", "(+foo)", "(+get", "+get)", "(+get (",
    "((+get))", "clearselectors", "(on)", "(allkeys ~a)", "sanitize", "", "~a b",
    "+@all -config +config|get -@admin +@admin",
]  # fmt: skip

# Those whose replies are compared, and that leave the connection as it is.
_NOT_RUN = (
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "QUIT", "RESET", "HELLO", "MULTI",
    "EXEC", "KEYS", "SCAN", "CLIENT", "SWAPDB", "FLUSHALL", "AUTH", "CONFIG GET", "MEMORY",
    "RANDOMKEY", "EVAL return", "WATCH",
)  # fmt: skip
ACTIONS = [request for request in REQUESTS if not request.startswith(_NOT_RUN)]

CASES: dict[str, Script] = {
    "rules one by one": rules(*RULES),
    "rules from everything": rules("on nopass allkeys allchannels allcommands", *RULES),
    "users": [
        ("ACL", "WHOAMI"),
        ("ACL", "USERS"),
        ("ACL", "SETUSER", "a b"),
        ("ACL", "SETUSER", "tab\tname"),
        ("ACL", "SETUSER", "nul\0"),
        ("ACL", "SETUSER", "z"),
        ("ACL", "SETUSER", "A", "on"),
        ("ACL", "USERS"),
        redis_way("ACL", "GETUSER", "A"),
        redis_way("ACL", "GETUSER", "default"),
        ("ACL", "GETUSER", "nobody"),
        ("ACL", "SETUSER", "A", ">p", "~a", "%R~b", "&c", "+@read", "-get", "(+set", "~x)"),
        redis_way("ACL", "GETUSER", "A"),
        ("ACL", "SETUSER", "A", "reset", "skip-sanitize-payload"),
        redis_way("ACL", "GETUSER", "A"),
        redis_way("ACL", "LIST"),
        ("ACL", "DELUSER", "default"),
        ("ACL", "DELUSER", "z", "default", "A"),
        ("ACL", "USERS"),
        ("ACL", "DELUSER", "A", "A", "nobody"),
        ("ACL", "USERS"),
        redis_way("ACL", "SAVE"),
        redis_way("ACL", "LOAD"),
    ],
    "wrong requests": script("""
        ACL
        ACL FOO
        ACL SETUSER
        ACL GETUSER
        ACL GETUSER a b
        ACL DELUSER
        ACL LIST x
        ACL USERS x
        ACL WHOAMI x
        ACL CAT foo
        ACL CAT read x
        ACL CAT @read
        ACL GENPASS 0
        ACL GENPASS -1
        ACL GENPASS 4097
        ACL GENPASS x
        ACL GENPASS 8 8
        ACL LOG x
        ACL LOG -1
        ACL LOG 0
        ACL LOG 1 2
        ACL LOG RESET
        ACL LOG reset
        ACL DRYRUN
        ACL DRYRUN default
        ACL DRYRUN nobody get k
        ACL DRYRUN default foo
        ACL DRYRUN default get
        ACL DRYRUN default get k
        ACL DRYRUN default config foo
        ACL DRYRUN default config
        ACL DRYRUN default config get x
        ACL DRYRUN default acl|list
    """),
    "passwords": [loosely("ACL", "GENPASS"), loosely("ACL", "GENPASS", 4096)],
    "logging in": [
        ("AUTH", "x"),
        ("AUTH", "default", "x"),
        ("AUTH", "nobody", "x"),
        ("AUTH", "a", "b", "c"),
        ("ACL", "SETUSER", "u", ">p", "+@all"),
        ("AUTH", "u", "p"),
        ("ACL", "SETUSER", "u", "on"),
        ("AUTH", "u", "q"),
        ("AUTH", "u", "p"),
        ("ACL", "WHOAMI"),
        ("HELLO", 3, "AUTH", "u", "q"),
        ("ACL", "WHOAMI"),
        ("AUTH", "default", ""),
        ("ACL", "SETUSER", "u", "nopass"),
        ("HELLO", 2, "AUTH", "u"),
        ("AUTH", "u", "anything"),
        ("ACL", "WHOAMI"),
        ("RESET",),
        ("ACL", "WHOAMI"),
        refusals("ACL", "LOG"),
    ],
    **{
        f"dry runs with {given}": dry_runs(given, REQUESTS)
        for given in (
            "+@all ~a* %R~r* %W~w* &ch*",
            "+@read +@connection ~*",
            "+@all -@write -config +config|get +select|1 allkeys allchannels",
            "+get ~a (+set ~w) (+mget +copy %R~r %W~w)",
            "+@all %R~* (+@write ~w* &ch)",
            "+@all (%R~* +@all) ~a*",
            "-@all +@fast -get resetchannels &ch ~[ab]*",
        )
    },
    "acting": [
        *acting("+@all ~a* %R~r* %W~w* &ch* -config +config|get", ACTIONS),
        refusals("ACL", "LOG", 50),
    ],
    "transactions": [
        *acting(
            "+@all ~a*",
            ["MULTI", "GET b", "EXEC", "MULTI", "SET a 1", "GET a", "EXEC", "MULTI", "AUTH u y",
             "GET a", "EXEC"],
        ),
        refusals("ACL", "LOG", 50),
    ],
    "rules that change during a transaction": [
        *acting("+@all ~* &*", ["MULTI", "GET b", "SET a 1", "PUBLISH c m", "PING",
                "ACL SETUSER u resetkeys -ping resetchannels", "GET b", "PING", "PUBLISH c m",
                "EXEC"]),
        refusals("ACL", "LOG", 50),
    ],
    "scripts": [
        ("ACL", "SETUSER", "u", "reset", "on", "nopass", "+@all", "-incr", "~a*", "+select|0"),
        ("AUTH", "u", "x"),
        ("EVAL", "return redis.call('set','a','1')", 0),
        code_only("EVAL", "return redis.call('set','b','1')", 0),
        ("EVAL", "return redis.pcall('incr','a')", 0),
        code_only("EVAL", "return redis.call('publish','b','x')", 0),
        ("EVAL", "return redis.acl_check_cmd('set','b','x')", 0),
        ("EVAL", "return redis.acl_check_cmd('set','a','x')", 0),
        ("EVAL", "return redis.acl_check_cmd('incr','a')", 0),
        ("EVAL", "return redis.acl_check_cmd('config','get','x')", 0),
        ("EVAL", "return redis.acl_check_cmd('publish','c','x')", 0),
        ("EVAL", "return redis.acl_check_cmd('get','a','b')", 0),
        code_only("EVAL", "return redis.acl_check_cmd('config','nope')", 0),
        code_only("EVAL", "return redis.acl_check_cmd()", 0),
        ("EVAL", "return 1", 1, "b"),
        ("AUTH", "default", "x"),
        refusals("ACL", "LOG", 50),
    ],
    "counts": [
        *acting("+@all -get ~a* resetchannels", ["GET a", "SET b 1", "PUBLISH c m", "AUTH u"]),
        ("AUTH", "nobody", "x"),
        loosely("INFO", "stats"),
    ],
}  # fmt: skip
