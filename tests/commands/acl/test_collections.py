"""Commands on collections are checked by the keys of the collection."""

from __future__ import annotations

import re

import pytest

from commands.engine.footprints import Touched, footprint_of
from commands.engine.key_uses import key_uses
from commands.engine.replies import Reply
from commands.instance.context import Context
from tests.support.declarations import our_commands
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer
from tests.test_domain_completeness import EXAMPLES, SETUP, Example

NO_KEY = Error("NOPERM No permissions to access a key")
COMMANDS = our_commands()
each_command = pytest.mark.parametrize("name", EXAMPLES)

# What the server derives from the keys of a collection and keeps for it; the collection is part of
# the key, but for the table of all indexes.
DERIVED = re.compile(
    rb"redkeep:(cp-(meta|work):acme:.*"
    rb"|store:(times|vector):acme:acme:a:.*|store:indexes"
    rb"|jobs:due:[0-9]{20}:\{gpu\}"
    rb"|queue:due:[0-9]{20}:\{q\}"
    rb"|model_dropped:\{spam\}:0"
    rb"|events:(checkpoint|job|model|queue|store):\{(acme:[atu]|gpu|spam|big|weird@name|q)\})"
)


def footprint(name: str, example: Example) -> list[Touched]:
    found = footprint_of(COMMANDS[name])
    assert found is not None
    return found(COMMANDS[name], [each.encode() for each in example.words], False)


def literal(text: bytes) -> bytes:
    """A pattern that matches this text."""
    return re.sub(rb"([*?\[\]\\^])", rb"\\\1", text)


def rules(touched: list[Touched]) -> list[bytes]:
    return [b"~" + literal(each.start) + (b"" if each.exact else b"*") for each in touched]


def prepared(server: RunningServer) -> Connection:
    server.freeze(1_700_000_000_000)
    admin = server.connect()
    for request in SETUP:
        assert not isinstance(admin(*request.split(" ")), Error), request
    return admin


def log_in(server: RunningServer, *given: bytes | str) -> Connection:
    admin = server.connect()
    assert admin("ACL", "SETUSER", "u", "reset", "on", "nopass", *given) == "OK"
    client = server.connect()
    client("AUTH", "u", "x")
    return client


@each_command
def test_the_keys_of_the_collection_are_enough_and_all_are_needed(
    server: RunningServer, name: str
) -> None:
    prepared(server)
    example = EXAMPLES[name]
    needed = rules(footprint(name, example))
    assert needed
    for left_out in range(len(needed)):
        client = log_in(server, "+@all", *needed[:left_out], *needed[left_out + 1 :])
        assert client(*example.words) == NO_KEY
    # The collection itself is no key.
    client = log_in(server, "+@all", *(b"~" + key for key in example.keys))
    assert client(*example.words) == NO_KEY
    client = log_in(server, "+@all", *needed)
    reply = client(*example.words)
    assert type(reply) is example.resp2, reply


@each_command
def test_nothing_beyond_the_keys_of_the_collection_is_touched(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seen: set[bytes] = set()
    call = Context.call

    def called(self: Context, *words: bytes) -> Reply:
        bound = self.instance.find_command(list(words))
        assert bound is not None
        seen.update(words[place] for place in key_uses(bound.command, words))
        return call(self, *words)

    server = loop.start_server(domain_events="yes")
    try:
        admin = prepared(server)
        monkeypatch.setattr(Context, "call", called)
        admin(*EXAMPLES[name].words)
    finally:
        server.close()
    covered = footprint(name, EXAMPLES[name])
    for key in seen:
        assert DERIVED.fullmatch(key) or any(
            key == each.start if each.exact else key.startswith(each.start) for each in covered
        ), key


@pytest.mark.parametrize(
    ("rule", "allowed", "denied"),
    [
        ("~entelix:cp:acme:*", "CP.LATEST acme t", "CP.LATEST acme2 t"),
        ("~entelix:cp:acme:*", "CP.THREADS acme", "CP.THREADS globex"),
        ("~entelix:cp:acme:t:*", "CP.LATEST acme t", "CP.LATEST acme t2"),
        ("~entelix:cp:acme:t:*", "CP.NAMESPACES acme t", "CP.THREADS acme"),
        ("~entelix:cp:acme:t:*", "CP.LATEST acme t NS a", "CP.COPY acme t u"),
        ("%R~entelix:cp:acme:*", "CP.LATEST acme t", "CP.PUT acme t STEP 1 STATE 1"),
        ("~entelix:cp:a:*", "CP.THREADS a", "CP.THREADS a:b"),
        (r"~entelix:cp:a\\:b:*", r"CP.THREADS a:b", "CP.THREADS a"),
        ("~entelix:store:acme:*", "STORE.PUT acme:a k v", "STORE.PUT acm:a k v"),
        ("~entelix:store:acme:acme:a:*", "STORE.LIST acme:a", "STORE.LIST acme"),
        ("~entelix:store:acme:acme:a:*", "STORE.LIST acme:a:b", "STORE.EVICT"),
        ("%W~entelix:store:*", "STORE.DEL acme k", "STORE.GET acme k"),
        ("~redkeep:job*:{gpu}*", "JOB.SUBMIT gpu k t s", "JOB.SUBMIT gpu2 k t s"),
        ("~redkeep:job*:{gpu}*", "JOB.LIST gpu", "JOB.POOLS"),
        ("~redkeep:job*:{gpu}*", "ML.LIST gpu jobs", "ML.LIST gpu models"),
        ("~redkeep:model*:{spam}*", "MODEL.REGISTER spam", "MODEL.REGISTER ham"),
        ("~redkeep:model*:{spam}*", "ML.GET p model_versions spam@v1", "ML.GET p models ham"),
        ("~redkeep:model*", "MODEL.LIST", "QUEUE.LIST"),
        ("~redkeep:queue:{q}:*", "QUEUE.PUSH q x", "QUEUE.PUSH qq x"),
        ("~redkeep:queue:{q}:*", "QUEUE.ACTIVE q", "QUEUE.ACTIVE"),
        ("~redkeep:queue:*", "QUEUE.PRUNE", "JOB.POOLS"),
    ],
)
def test_a_rule_on_keys_means_what_it_says(
    server: RunningServer, rule: str, allowed: str, denied: str
) -> None:
    client = log_in(server, "+@all", rule)
    reply = client(*allowed.split(" "))
    assert not isinstance(reply, Error), reply
    assert client(*denied.split(" ")) == NO_KEY


def test_with_hash_tags_the_tenant_is_in_braces(loop: Loop) -> None:
    server = loop.start_server(hash_tags="yes")
    client = log_in(server, "+@all", "~entelix:cp:{acme}:*", "~entelix:store:{acme}:*")
    assert client("CP.THREADS", "acme") == [b"0", []] or client("CP.THREADS", "acme") == []
    assert client("STORE.PUT", "acme:a", "k", "v") == "OK"
    assert client("CP.THREADS", "globex") == NO_KEY
    server.close()


def test_a_rule_on_the_first_argument_means_what_it_says(server: RunningServer) -> None:
    client = log_in(server, "allkeys", "+cp.latest|acme", "+cp.latest|Globex", "+job.claim|gpu")
    assert client("CP.LATEST", "acme", "t") is None
    assert client("CP.LATEST", "Globex", "t") is None
    assert client("JOB.CLAIM", "gpu", "w") is None
    denied = Error("NOPERM User u has no permissions to run the 'cp.latest' command")
    # Unlike the first arguments of Redis' commands, collections differ by case.
    for tenant in ("ACME", "globex", "other", "acme:x"):
        assert client("CP.LATEST", tenant, "t") == denied


def test_a_request_without_a_valid_collection_needs_the_whole_family(
    server: RunningServer,
) -> None:
    client = log_in(server, "+@all", "~entelix:cp:acme:*", "~redkeep:job*:{gpu}*")
    assert client("CP.THREADS", "") == NO_KEY
    assert client("JOB.LIST", "{") == NO_KEY
    assert client("ML.GET", "p", "dogs", "k") == NO_KEY
    client = log_in(server, "+@all", "~entelix:cp:*")
    assert client("CP.THREADS", "") == Error("NAMESPACE the tenant is empty")


def test_the_log_shows_the_keys_of_the_collection(server: RunningServer) -> None:
    client = log_in(server, "+@all", "~a")
    client("CP.LATEST", "acme", "t")
    admin = server.connect()
    (entry,) = admin("ACL", "LOG")
    assert dict(zip(entry[::2], entry[1::2], strict=True))[b"object"] == b"entelix:cp:acme:t:*"
    assert admin("ACL", "DRYRUN", "u", "CP.LATEST", "acme", "t") == (
        b"User u has no permissions to access the 'entelix:cp:acme:t:*' key"
    )


def test_scripts_and_help(server: RunningServer) -> None:
    client = log_in(server, "+@all", "~entelix:cp:acme:*")
    script = "return redis.call('CP.LATEST', ARGV[1], 't')"
    assert client("EVAL", script, 0, "acme") is None
    assert "No permissions to access a key" in client("EVAL", script, 0, "globex").text
    for family in ("CP", "STORE", "JOB", "MODEL", "QUEUE", "ML"):
        assert client(f"{family}.HELP")


def test_categories_of_collections(client: Connection) -> None:
    for category, command in (
        ("checkpoint", b"cp.put"), ("store", b"store.put"), ("job", b"job.submit"),
        ("model", b"model.register"), ("queue", b"queue.push"), ("read", b"cp.latest"),
        ("write", b"job.claim"), ("blocking", b"queue.read"),
    ):  # fmt: skip
        assert command in client("ACL", "CAT", category)
        assert category.encode() in client("ACL", "CAT")
