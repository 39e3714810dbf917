"""Hostile input: requests with random arguments, and bytes that are not valid requests.

All randomness comes from the given `random.Random`, so the same seed gives the same input.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from commands.engine.grammar import Argument
from commands.engine.registry import Command
from tests.support.declarations import our_commands
from tests.support.resp import request

# Commands that stop or delay the server, or write to its working directory.
_LEFT_OUT = frozenset(
    [
        "shutdown",
        "config|rewrite",
        "config|set",
        "save",
        "bgsave",
        "bgrewriteaof",
        "failover",
        "replicaof",
        "slaveof",
        "client|pause",
        "client|kill",
        "pfselftest",
    ]
)
# The subcommands of DEBUG are not declared.
_DEBUG = (
    b"OBJECT DIGEST DIGEST-VALUE LISTPACK ZIPLIST QUICKLIST HTSTATS HTSTATS-KEY PROTOCOL JMAP "
    b"STRINGMATCH-LEN SDSLEN SET-ACTIVE-EXPIRE QUICKLIST-PACKED-THRESHOLD CHANGE-REPL-ID ERROR "
    b"STRUCTSIZE LOG HELP DICT-STATS CLIENT-EVICTION PAUSE-CRON MALLCTL SET-DISABLE-DENY-SCRIPTS "
    b"REPLYBUFFER CLIENT-ENFORCE-REPLY-LIST RELOAD LOADAOF"
).split()
# For a huge negative count these return as many items, as in Redis.
_GENEROUS = frozenset({"srandmember", "hrandfield", "zrandmember"})

# A key of each type, a missing one, and some that random requests may create.
KEYS = [b"string", b"number", b"list", b"set", b"intset", b"zset", b"hash", b"stream", b"hll"]
KEYS += [b"geo", b"bitmap", b"nothing", b"new", b"", b"\xff\0\r\n"]
_PREPARED = [
    ["SET", "string", "some text"],
    ["SET", "number", "10"],
    ["RPUSH", "list", "a", "b", "1", "2"],
    ["SADD", "set", "a", "b", "c"],
    ["SADD", "intset", "1", "2", "3"],
    ["ZADD", "zset", "1", "a", "2", "b", "3", "c"],
    ["HSET", "hash", "a", "1", "b", "x", "f", "1.5"],
    ["XADD", "stream", "1-1", "a", "1"],
    ["XGROUP", "CREATE", "stream", "group", "0"],
    ["XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">"],
    ["PFADD", "hll", "a", "b", "c"],
    ["GEOADD", "geo", "13.361389", "38.115556", "a", "15.087269", "37.502669", "b"],
    ["SETBIT", "bitmap", "70", "1"],
]
PREPARATION = [[word.encode() for word in words] for words in _PREPARED]

_NUMBERS = [b"%d" % n for n in (0, 1, -1, 2, 3, 7, -2, 10, 16, 64, 100, 255, 512, 1000)] + [
    b"%d" % (sign * 2**power + off)
    for power in (31, 32, 62, 63, 64)
    for sign in (1, -1)
    for off in (-1, 0, 1)
]
_REALS = (
    b"0 -0 0.0 1.5 -1.5 1e3 1e308 1e309 -1e309 inf -inf +inf nan -nan 1e-400 .5 5. 0x10 1_0 1e "
    b"3.141592653589793238462643 99999999999999999999 180 90 -180 85.06 -90.0001 infinity"
).split()
_SPECIAL = (
    b"* - + $ > ( [ (1 [a (a -inf +inf 0-0 1-1 1-* 1-1-1 18446744073709551615-0 5-0 a* [ab] [ab "
    b"\\ ? u8 i64 i65 u64 #1 # NX XX a b c f group consumer km m x"
).split()
_SPECIAL += [b"", b" ", b"\r\n", b"\0", b"\xff\xfe", b"01", b" 1", b"1 ", b"+1", b"x" * 600]


class Commands:
    """Requests of every declared command, with arguments that may or may not be valid."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.commands = [
            command
            for name, command in sorted(our_commands().items())
            if name not in _LEFT_OUT and not command.subcommands
        ]
        self._tokens = sorted(
            {
                word
                for command in self.commands
                for argument in command.arguments
                for word in _tokens(argument)
            }
        )

    def any(self) -> list[bytes]:
        """Return a request of a random command."""
        return self.of(self._rng.choice(self.commands))

    def of(self, command: Command) -> list[bytes]:
        rng = self._rng
        name = command.name.encode().split(b" ")
        kind = rng.random()
        if kind < 0.6:
            words = self._fitting(command.arguments)
        elif kind < 0.8:
            words = self._damaged(self._fitting(command.arguments))
        else:
            words = [self._word() for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 5, 8, 20)))]
        if command.name == "DEBUG":
            words.insert(0, rng.choice(_DEBUG))
        if command.wire_name in _GENEROUS:
            words = [word.replace(b"-", b"") for word in words]
            words = [word if len(word) < 5 or word in KEYS else b"5" for word in words]
        return name + words

    def _word(self) -> bytes:
        rng = self._rng
        pool: Sequence[bytes] = rng.choice(
            (KEYS, _NUMBERS, _NUMBERS, _REALS, _SPECIAL, self._tokens)
        )
        return rng.choice(pool)

    def _damaged(self, words: list[bytes]) -> list[bytes]:
        """Change, remove, duplicate or move one to three of the words."""
        rng = self._rng
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(words) + 1)
            change = rng.randrange(4)
            if change == 0:
                words[at : at + 1] = [self._word()]
            elif change == 1:
                del words[at : at + 1]
            elif change == 2:
                words.insert(at, self._word())
            else:
                rng.shuffle(words)
        return words

    def _fitting(self, arguments: Sequence[Argument]) -> list[bytes]:
        words: list[bytes] = []
        for argument in arguments:
            if not argument.optional or self._rng.random() < 0.4:
                words += self._argument(argument)
        return words

    def _argument(self, argument: Argument) -> list[bytes]:
        rng = self._rng
        words: list[bytes] = []
        token = argument.token.encode().split(b" ") if argument.token is not None else []
        for turn in range(rng.randint(1, 3) if argument.multiple else 1):
            if turn == 0 or argument.multiple_token:
                words += token
            if argument.kind == "block":
                words += self._fitting(argument.parts)
            elif argument.kind == "oneof":
                words += self._argument(rng.choice(argument.parts))
            elif argument.kind != "pure-token":
                words.append(self._value(argument))
        return words

    def _value(self, argument: Argument) -> bytes:
        rng = self._rng
        if rng.random() < 0.1:
            return self._word()
        if argument.kind == "key":
            return rng.choice(KEYS)
        if argument.name == "numkeys":
            return rng.choice((b"1", b"2", b"3", b"1", rng.choice(_NUMBERS)))
        if argument.kind in ("integer", "unix-time"):
            return rng.choice(_NUMBERS)
        if argument.kind == "double":
            return rng.choice(rng.choice((_REALS, _NUMBERS)))
        return rng.choice(rng.choice((_SPECIAL, _NUMBERS, _REALS)))


def _tokens(argument: Argument) -> list[bytes]:
    found = [] if argument.token is None else argument.token.encode().split(b" ")
    for part in argument.parts:
        found += _tokens(part)
    return found


class Bytes:
    """Pieces of input as from a client, most of them invalid."""

    _LINES = [
        b"*1\r\n$4\r\nPING\r\n", b"PING\r\n", b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", b"*0\r\n",
        b"*-1\r\n", b"*1\r\n:1\r\n", b"*2\r\n$1\r\n$\r\n:1\r\n", b"*1\r\n$1\r\n*\r\n:1\r\n",
        b"*1\r\n%1\r\n*1\r\n", b"*2147483647\r\n", b"*1\r\n$536870912\r\n", b"*1\r\n~99999999\r\n",
        b"*1\r\n$-1\r\n", b"*1\r\n\xff\r\n", b'SET "a\r\n', b"GET 'a' b\r\n", b"\0\r\n", b"\r\n",
        b"HELLO 3\r\n", b"MULTI\r\n", b"EXEC\r\n", b"RESET\r\n", b"SUBSCRIBE a\r\n", b"MONITOR\r\n",
        b"POST / HTTP/1.1\r\n", b"CLIENT REPLY SKIP\r\n", b"BLPOP nothing 1\r\n", b"QUIT\r\n",
    ]  # fmt: skip
    _MARKS = [b"*", b"$", b"\r", b"\n", b"\r\n", b"-", b"+", b":", b"0", b"1", b"9", b'"', b"'"]
    _MARKS += [b"\\", b"\0", b" ", b"\xff", b"~", b"%", b">", b"|", b"=", b"(", b",", b"#", b"_"]

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._commands = Commands(rng)

    def any(self) -> bytes:
        """Return up to some hundred bytes: random, mutated, or a valid request."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.1:
            return rng.randbytes(rng.randint(1, 60))
        if kind < 0.2:
            return b"".join(rng.choices(self._MARKS, k=rng.randint(1, 25)))
        if kind < 0.3:
            return rng.choice(self._LINES)
        data = request(self._commands.any())
        return data if kind < 0.45 else self._mutated(data)

    def _mutated(self, data: bytes) -> bytes:
        rng = self._rng
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(changed) + 1)
            change = rng.randrange(5)
            if change == 0:
                changed[at : at + 1] = rng.choice(self._MARKS)
            elif change == 1:
                del changed[at : at + rng.randint(1, 8)]
            elif change == 2:
                changed[at:at] = rng.choice(self._MARKS)
            elif change == 3:
                changed[at:at] = rng.choice(self._LINES)
            else:
                changed[at : at + 1] = rng.randbytes(1)
        return bytes(changed)
