"""Sessions of several clients that track keys, and scripts of such sessions.

A script names its clients in the first line, with their protocols. Every other line is what one of
them does: requests separated by semicolons, which are sent together. `@b` stands for the ID of
client b, and `close` closes the connection.
"""

from __future__ import annotations

from typing import Any

from tests.support.info import info_fields
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Map, Push, request
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until


class Session:
    """Clients of one server, and everything that each of them receives."""

    def __init__(self, server: RunningServer | Oracle, protocols: dict[str, int]) -> None:
        self.control = Connection(server.port)
        assert self.control("FLUSHALL") == "OK"
        self.clients = {
            name: Connection(server.port, resp=resp) for name, resp in protocols.items()
        }
        self.ids = {name: client("CLIENT", "ID") for name, client in self.clients.items()}
        self._names = {number: f"@{name}" for name, number in self.ids.items()}

    def play(self, who: str, text: str) -> dict[str, list[Any]]:
        """Let a client send requests; return what arrives at each client, in its order."""
        if text == "close":
            self.clients.pop(who).close()
            gone = b"id=%d " % self.ids[who]
            wait_until(lambda: gone not in self.control("CLIENT", "LIST"), "the end of a client")
            return self._arrivals({})
        sent = [each.split() for each in text.split(";")]
        words = [[self._word(word) for word in each] for each in sent]
        self.clients[who].send_raw(b"".join(map(request, words)))
        return self._arrivals({who: len(sent)})

    def _word(self, word: str) -> str:
        return str(self.ids[word[1:]]) if word[:1] == "@" else word

    def _arrivals(self, replies: dict[str, int]) -> dict[str, list[Any]]:
        found = {}
        # The client that sent something first: what it causes has left when its replies have.
        for name in sorted(self.clients, key=lambda name: name not in replies):
            client = self.clients[name]
            arrived = [client.read() for _ in range(replies.get(name, 0))]
            while sum(not _is_message(each) for each in arrived) < replies.get(name, 0):
                arrived.append(client.read())
            # A subscriber in RESP2 may send nothing but PING. Others send no PING, because that
            # would end CLIENT CACHING.
            client.send("CLIENT", "ID")
            while not _is_fence(reply := client.read(), self.ids[name]):
                arrived.append(reply)
            found[name] = [self._named(each) for each in arrived]
        return found

    def _named(self, reply: Any) -> Any:
        """The reply with names in place of IDs, where it has any."""
        if isinstance(reply, Push) and reply.items[0] == b"tracking-redir-broken":
            return Push([reply.items[0], self._names[reply.items[1]]])
        if isinstance(reply, Map):
            reply = [part for pair in reply.items for part in pair]
        if isinstance(reply, list) and reply[:1] == [b"server"]:
            return ["the reply of HELLO"]
        if isinstance(reply, list) and b"redirect" in reply:
            at = reply.index(b"redirect") + 1
            reply[at] = self._names.get(reply[at], reply[at])
        return reply

    def numbers(self) -> list[str]:
        """What INFO says of tracking."""
        fields = info_fields(self.control, "clients", "stats")
        return [f"{name}={value}" for name, value in fields.items() if name.startswith("tracking")]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        ids = {b"id=%d" % ident for ident in self.ids.values()}
        wait_until(
            lambda: ids.isdisjoint(self.control("CLIENT", "LIST").split()), "the end of all clients"
        )
        self.control.close()


def _is_message(reply: Any) -> bool:
    return isinstance(reply, Push) or (
        isinstance(reply, list) and reply[:1] in ([b"message"], [b"pmessage"])
    )


def _is_fence(reply: Any, ident: int) -> bool:
    return reply == ident or (hasattr(reply, "text") and "only (P|S)SUBSCRIBE" in str(reply.text))


CASES: dict[str, str] = {
    "a read key is reported once": """
        a3 b3
        a> CLIENT TRACKING ON
        a> GET k
        b> SET k 1
        b> SET k 2
        a> GET k; MGET k l m
        b> MSET k 1 l 2 n 3
        b> DEL m
        a> HGETALL h; LRANGE l2 0 -1
        b> HSET h f v; RPUSH l2 x
        a> EXISTS e; TTL e; TYPE e; STRLEN e
        b> SET e 1
    """,
    "own writes follow the reply": """
        a3 b3
        a> CLIENT TRACKING ON
        a> GET k
        a> SET k 1
        a> GET k; SET k 2; GET k; SET k 3
        a> GET x; GET y; MSET x 1 y 2
        a> INCR k; GET k; INCR k
        a> SET k 1; EXPIRE k 100
    """,
    "noloop": """
        a3 b3
        a> CLIENT TRACKING ON NOLOOP
        a> GET k; SET k 1
        b> SET k 2
        a> GET k
        b> SET k 3
        a> GET k; EVAL return(redis.call('set','k','v')) 0
        b> SET k 3
        a> GET k; MULTI; SET k 1; EXEC
        b> SET k 3
        a> GET k; FLUSHALL
        a> GET k
        b> FLUSHDB
    """,
    "transactions": """
        a3 b3
        a> CLIENT TRACKING ON
        a> MULTI; GET k; SET k 1; GET l; EXEC
        b> SET k 1; SET l 1
        a> MULTI; SET k 1; GET k; EXEC
        b> MULTI; SET k 1; SET k 2; EXEC
        a> GET k; GET l
        b> MULTI; SET k 1; DEL l; FLUSHALL; SET k 5; EXEC
        a> GET k; MULTI; GET k; SET x 1; FLUSHALL; EXEC
        a> GET k; MULTI; GET k; DISCARD
        b> SET k 1
    """,
    "scripts": """
        a3 b3
        a> CLIENT TRACKING ON
        a> EVAL return(redis.call('get','k')) 0
        b> EVAL return(redis.call('set','k','v')) 0
        a> EVAL return(redis.call('get',KEYS[1])) 1 k
        b> SET k 1
        a> EVAL_RO return(redis.call('get','l')) 1 k
        b> SET k 1; SET l 1
        a> EVAL redis.call('get','k')return(redis.call('set','k','v')) 0
        a> EVAL_RO return(1) 1 k
        b> SET k 1
    """,
    "optin": """
        a3 b3
        a> CLIENT TRACKING ON OPTIN
        a> GET k
        b> SET k 1
        a> CLIENT CACHING YES; GET k; GET l
        b> SET k 1; SET l 1
        a> CLIENT CACHING YES; CLIENT GETNAME; GET k
        b> SET k 1
        a> CLIENT CACHING YES; PING; GET k
        b> SET k 1
        a> CLIENT CACHING YES; nosuch; GET k
        b> SET k 1
        a> CLIENT CACHING YES; MULTI; GET k; GET l; EXEC
        b> SET k 1; SET l 1
        a> MULTI; CLIENT CACHING YES; GET k; GET l; EXEC; GET m
        b> SET k 1; SET l 1; SET m 1
        a> CLIENT CACHING YES; EVAL redis.call('get','k')return(redis.call('get','l')) 0; GET m
        b> SET k 1; SET l 1; SET m 1
        a> CLIENT CACHING YES; CLIENT TRACKING OFF; CLIENT TRACKING ON OPTIN; GET k
        b> SET k 1
        a> CLIENT CACHING YES; CLIENT TRACKING ON OPTIN; CLIENT TRACKINGINFO; GET k
        b> SET k 1
    """,
    "optout": """
        a3 b3
        a> CLIENT TRACKING ON OPTOUT
        a> GET k
        b> SET k 1
        a> CLIENT CACHING NO; GET k; GET l
        b> SET k 1; SET l 1
        a> CLIENT CACHING NO; MULTI; GET k; GET l; EXEC; GET m
        b> SET k 1; SET l 1; SET m 1
        a> CLIENT CACHING YES
        a> CLIENT TRACKING ON OPTIN
        a> CLIENT TRACKINGINFO
    """,
    "broadcasting": """
        a3 b3 c3
        a> CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:
        c> CLIENT TRACKING ON BCAST
        b> SET user:2 1; SET user:1 1; SET other 1; SET item:1 1
        b> MULTI; SET user:1 1; SET user:1 2; INCR user:3; EXEC
        a> GET user:1; SET user:1 1
        b> SET other 1
        b> DEL user:1 user:2 nosuch
        b> FLUSHALL
        a> CLIENT TRACKING ON BCAST PREFIX x
        a> CLIENT TRACKINGINFO
        b> SET xy 1; SET user:9 1
        a> CLIENT TRACKING OFF
        b> SET user:1 1
    """,
    "broadcasting without loops": """
        a3 b3
        a> CLIENT TRACKING ON BCAST NOLOOP
        b> CLIENT TRACKING ON BCAST NOLOOP
        a> SET k 1; SET l 2
        b> SET k 1
        a> MULTI; SET k 1; EXEC
        a> INCR n; GET n; SET m 1
        b> FLUSHALL
    """,
    "redirected to another client": """
        a3 b3 c3
        a> CLIENT TRACKING ON REDIRECT @b
        a> CLIENT TRACKINGINFO
        a> GET k
        c> SET k 1
        a> GET k; SET k 1
        a> GET k
        b> SET k 1
        b> SET k 1; GET k
        a> GET k
        c> FLUSHALL
        a> GET k
        b> close
        c> SET k 1
        a> CLIENT TRACKINGINFO
        a> GET k; GET l
        c> SET k 1; SET l 1
        a> CLIENT TRACKING ON
        a> CLIENT TRACKINGINFO
        a> GET k
        c> SET k 1
    """,
    "redirected to a subscriber": """
        a2 b2 c3
        b> SUBSCRIBE __redis__:invalidate
        a> CLIENT TRACKING ON REDIRECT @b
        a> GET k; GET l
        c> SET k 1; SET l 1
        a> GET k; SET k 1
        a> GET k
        c> FLUSHALL
        c> CLIENT TRACKING ON REDIRECT @b BCAST
        a> SET k 1; SET l 1
        b> close
        a> GET k
        c> SET k 1
        a> CLIENT TRACKINGINFO
    """,
    "redirected to a client that listens to nothing": """
        a2 b2 c3
        a> CLIENT TRACKING ON REDIRECT @b
        a> GET k
        c> SET k 1
        b> SSUBSCRIBE any
        a> GET k
        c> SET k 1
    """,
    "redirected to oneself": """
        a3 b2
        a> CLIENT TRACKING ON REDIRECT @a
        a> GET k; SET k 1
        a> GET k
        b> SET k 1
    """,
    "resp2 without redirection": """
        a2 b2
        a> CLIENT TRACKING ON
        a> GET k
        b> SET k 1
        a> GET k
        a> HELLO 2
        b> SET k 1
    """,
    "keys read before tracking was off": """
        a3 b3
        a> CLIENT TRACKING ON
        a> GET k; GET l; GET m
        a> CLIENT TRACKING OFF
        b> SET k 1
        a> CLIENT TRACKING ON
        b> SET k 1; SET l 1
        a> CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST PREFIX x
        b> SET m 1
        a> CLIENT TRACKING OFF; CLIENT TRACKING ON; GET k
        a> RESET
        b> SET k 1
        a> HELLO 3
        b> SET k 1
    """,
    "databases": """
        a3 b3
        a> CLIENT TRACKING ON
        a> GET k
        b> SELECT 1; SET k 1
        a> GET k; GET l
        b> SELECT 1; FLUSHDB
        a> GET k
        b> SWAPDB 0 1
        b> SET k 1
        a> GET k
        b> MOVE k 2
        a> SELECT 2; GET k
        b> SWAPDB 1 2; SELECT 0
    """,
    "all kinds of writes": """
        a3 b3
        a> CLIENT TRACKING ON
        b> SET s 1; RPUSH l a b; SADD t a b; ZADD z 1 a; HSET h f v; XADD x 1-1 a b
        a> GET s; GET d; LLEN l
        b> COPY s d; RENAME l l2; EXPIRE s 100
        a> GET s; EXISTS d l l2
        b> PERSIST s; RENAME d l; LMOVE l2 l3 LEFT LEFT
        a> GET s; EXISTS l l2 l3 u
        b> SORT l2 ALPHA STORE l; SINTERSTORE u t; GETSET s 2; GETDEL s
        a> EXISTS s t u z h x
        b> SPOP t 2; ZPOPMIN z; HDEL h f; XDEL x 1-1; SETBIT s 1 1
        a> EXISTS s x; XLEN x
        b> XGROUP CREATE x g 0; XSETID x 5-1; XTRIM x MAXLEN 0; XADD x 6-1 a b
        a> XLEN x
        b> XREADGROUP GROUP g c STREAMS x >; XACK x g 6-1
        b> XADD x 7-1 a b
        a> PFCOUNT p; BITCOUNT s; GETRANGE s 0 -1; OBJECT ENCODING s
        b> PFADD p a; PFCOUNT p; SETRANGE s 0 x
        a> GET s; TOUCH s; SCAN 0 MATCH none; KEYS none
        b> TOUCH s; SET s x KEEPTTL; SET nx 1 NX; SET nx 2 NX; APPEND s y
    """,
    "reads of several keys": """
        a3 b3
        a> CLIENT TRACKING ON
        a> SINTER s1 s2; ZUNION 2 z1 z2; XREAD STREAMS x1 x2 0 0; LCS k1 k2; SORT_RO so
        b> SADD s1 a; SADD s2 a; ZADD z1 1 a; ZADD z2 1 a; XADD x1 1-1 a b; XADD x2 1-1 a b
        b> SET k1 a; SET k2 a; RPUSH so a
        a> SINTERSTORE d s1 s2; GETEX k1; GETSET k2 b; XREADGROUP GROUP g c STREAMS x1 >
        b> SADD s1 b; SET k1 b; SET k2 c; DEL x1 d
        a> XREAD BLOCK 1 STREAMS x1 $
        b> XADD x1 1-1 a b
    """,
    "what clients show of themselves": """
        a3 b3
        a> CLIENT TRACKINGINFO; CLIENT GETREDIR
        a> CLIENT TRACKING ON BCAST PREFIX b PREFIX a NOLOOP
        a> CLIENT TRACKINGINFO; CLIENT GETREDIR
        a> CLIENT TRACKING ON BCAST PREFIX ab
        a> CLIENT TRACKING ON BCAST PREFIX c PREFIX cd
        a> CLIENT TRACKING ON BCAST PREFIX c
        a> CLIENT TRACKINGINFO
        a> CLIENT TRACKING ON
        a> CLIENT TRACKING OFF; CLIENT TRACKING ON OPTIN REDIRECT @b
        a> CLIENT TRACKINGINFO; CLIENT CACHING YES; CLIENT TRACKINGINFO; PING; CLIENT TRACKINGINFO
        a> CLIENT TRACKING ON OPTOUT
        a> CLIENT TRACKING ON OPTIN OPTOUT
        a> CLIENT TRACKING ON BCAST OPTIN
        a> CLIENT TRACKING ON PREFIX a
        a> CLIENT TRACKING ON REDIRECT @b REDIRECT @b
        a> CLIENT TRACKING ON FOO; CLIENT TRACKING FOO; CLIENT TRACKING ON PREFIX
        a> CLIENT CACHING NO; CLIENT CACHING FOO
        a> RESET
        a> HELLO 3; CLIENT TRACKINGINFO
    """,
}


def parse(text: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the clients of a script and its steps."""
    header, *lines = text.strip().splitlines()
    clients = {word[:-1]: int(word[-1]) for word in header.split()}
    steps = (line.strip().split("> ", 1) for line in lines)
    return clients, [(who, what) for who, what in steps]
