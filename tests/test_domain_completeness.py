"""Every domain command is documented, exercised, listed by HELP, and behaves as it declares.

`EXAMPLES` holds one request per command with the keys that it names and the type of its
reply in each protocol. They are written by hand, so they test the declarations and are not
derived from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands.engine.registry import Command
from tests.support.declarations import DOMAIN_GROUPS, our_commands
from tests.support.exercised import exercised_names
from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer

DOCS = Path(__file__).resolve().parent.parent / "docs"

# The first word of a family, its page in docs/domain, and its page in docs/commands.
PAGES = {
    "CP": ("checkpoints.md", "checkpoints.md"),
    "JOB": ("jobs.md", "jobs.md"),
    "ML": ("ml.md", "jobs.md"),
    "MODEL": ("models.md", "models.md"),
    "QUEUE": ("queues.md", "queues.md"),
    "STORE": ("store.md", "memory-store.md"),
}

DOMAIN = {name: entry for name, entry in our_commands().items() if entry.group in DOMAIN_GROUPS}
# Containers do nothing apart from their subcommands; HELP is tested as a listing.
RUNNABLE = {
    name: entry
    for name, entry in sorted(DOMAIN.items())
    if not entry.subcommands and not re.search(r"\bHELP$", entry.name)
}

JOB = "0000000000000000000000000000000a"
NEW_JOB = "0000000000000000000000000000000b"
NEW_ROW = (
    f'{{"id":"{NEW_JOB}","kind":"train","target":"spam","status":"queued","progress":0,'
    '"created_at":1,"started_at":0,"finished_at":0,"error":null,"spec":"{}","metrics":null}'
)
# The SHA-256 of nothing.
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
CHECKPOINT = "01890a5d-ac96-774b-bcce-00000000000a"
TOKEN = "1700000000000-0/0123456789abcdef"
SETUP = [
    f"JOB.SUBMIT gpu train spam {{}} ID {JOB}",
    "JOB.CLAIM gpu w1",
    "MODEL.REGISTER spam WEIGHTS w",
    "MODEL.REGISTER big PIECES",
    f"CP.PUT acme t STEP 0 STATE 1 ID {CHECKPOINT}",
    'STORE.PUT acme:a k {"a":1}',
    "QUEUE.PUSH q x",
    "QUEUE.PUSH q y",
    "QUEUE.READ q g c",
    f"HSET redkeep:queue:{{q}}:tokens:g {TOKEN.replace('/', ' ')}",
]


@dataclass(frozen=True)
class Example:
    request: str
    keys: list[bytes]
    resp2: type
    resp3: type

    @property
    def words(self) -> list[str]:
        return self.request.split(" ")


def example(request: str, *keys: str, gives: type, in_resp3: type | None = None) -> Example:
    return Example(request, [key.encode() for key in keys], gives, in_resp3 or gives)


EXAMPLES = {
    "cp.copy": example("CP.COPY acme t u", "acme", gives=int),
    "cp.del": example("CP.DEL acme t", "acme", gives=int),
    "cp.fork": example(f"CP.FORK acme t {CHECKPOINT} u", "acme", gives=bytes),
    "cp.get": example(f"CP.GET acme t {CHECKPOINT}", "acme", gives=bytes),
    "cp.history": example("CP.HISTORY acme t", "acme", gives=list),
    "cp.info": example("CP.INFO acme t", "acme", gives=list, in_resp3=Map),
    "cp.latest": example("CP.LATEST acme t", "acme", gives=bytes),
    "cp.namespaces": example("CP.NAMESPACES acme t", "acme", gives=list),
    "cp.prune": example("CP.PRUNE acme t KEEP 1", "acme", gives=int),
    "cp.put": example("CP.PUT acme t STEP 1 STATE 1", "acme", gives=bytes),
    "cp.search": example('CP.SEARCH acme FILTER {"a":1}', "acme", gives=list),
    "cp.state": example("CP.STATE acme t", "acme", gives=bytes),
    "cp.threads": example("CP.THREADS acme", "acme", gives=list),
    "cp.update": example(f"CP.UPDATE acme t {CHECKPOINT} STATE 2", "acme", gives=bytes),
    "cp.writes|get": example(f"CP.WRITES GET acme t {CHECKPOINT}", "acme", gives=list),
    "cp.writes|put": example(f"CP.WRITES PUT acme t {CHECKPOINT} a 0 ch v", "acme", gives=int),
    "job.cancel": example(f"JOB.CANCEL gpu {JOB}", "gpu", gives=int),
    "job.children": example(f"JOB.CHILDREN gpu {JOB}", "gpu", gives=list),
    "job.claim": example("JOB.CLAIM gpu w1", "gpu", gives=type(None)),
    "job.complete": example(f"JOB.COMPLETE gpu {JOB}", "gpu", gives=str),
    "job.del": example(f"JOB.DEL gpu {JOB}", "gpu", gives=int),
    "job.extend": example(f"JOB.EXTEND gpu {JOB} w1 5", "gpu", gives=int),
    "job.fail": example(f"JOB.FAIL gpu {JOB} oops", "gpu", gives=bytes),
    "job.get": example(f"JOB.GET gpu {JOB}", "gpu", gives=bytes),
    "job.info": example(f"JOB.INFO gpu {JOB}", "gpu", gives=list, in_resp3=Map),
    "job.limit": example("JOB.LIMIT gpu CONCURRENCY 5", "gpu", gives=str),
    "job.list": example("JOB.LIST gpu", "gpu", gives=list),
    "job.log": example(f"JOB.LOG gpu {JOB} line", "gpu", gives=bytes),
    "job.logs": example(f"JOB.LOGS gpu {JOB}", "gpu", gives=list),
    "job.msubmit": example(
        'JOB.MSUBMIT gpu {"kind":"train","target":"spam","spec":""}', "gpu", gives=list
    ),
    "job.pause": example("JOB.PAUSE gpu", "gpu", gives=int),
    "job.pools": example("JOB.POOLS", gives=list),
    "job.progress": example(f"JOB.PROGRESS gpu {JOB} 5", "gpu", gives=bytes),
    "job.prune": example("JOB.PRUNE gpu OLDER 5", "gpu", gives=int),
    "job.put": example(f"JOB.PUT gpu {NEW_JOB} {NEW_ROW}", "gpu", gives=str),
    "job.result": example(f"JOB.RESULT gpu {JOB}", "gpu", gives=type(None)),
    "job.resume": example("JOB.RESUME gpu", "gpu", gives=int),
    "job.retain": example("JOB.RETAIN gpu", "gpu", gives=list, in_resp3=Map),
    "job.retry": example(f"JOB.RETRY gpu {JOB}", "gpu", gives=int),
    "job.schedule": example("JOB.SCHEDULE gpu s EVERY 5 train spam {}", "gpu", gives=str),
    "job.schedules": example("JOB.SCHEDULES gpu", "gpu", gives=list),
    "job.unschedule": example("JOB.UNSCHEDULE gpu s", "gpu", gives=int),
    "job.stats": example("JOB.STATS gpu", "gpu", gives=list, in_resp3=Map),
    "job.submit": example("JOB.SUBMIT gpu train spam {}", "gpu", gives=bytes),
    "job.wait": example(f"JOB.WAIT gpu {NEW_JOB} 1", "gpu", gives=type(None)),
    "ml.del": example("ML.DEL p models spam", "spam", gives=int),
    "ml.get": example("ML.GET p model_versions spam@v1", "spam", gives=bytes),
    "ml.list": example("ML.LIST p jobs", "p", gives=list),
    "ml.put": example("ML.PUT p model_versions weird@name@v7 {}", "weird@name", gives=str),
    "model.activate": example("MODEL.ACTIVATE spam 1", "spam", gives=str),
    "model.alias": example("MODEL.ALIAS spam champion 1", "spam", gives=str),
    "model.append": example("MODEL.APPEND big 1 0 abc", "big", gives=int),
    "model.archive": example("MODEL.ARCHIVE spam 1", "spam", gives=str),
    "model.del": example("MODEL.DEL spam", "spam", gives=int),
    "model.describe": example("MODEL.DESCRIBE spam 1 text", "spam", gives=str),
    "model.drop": example("MODEL.DROP big 1", "big", gives=int),
    "model.get": example("MODEL.GET spam", "spam", gives=list, in_resp3=Map),
    "model.list": example("MODEL.LIST", gives=list),
    "model.metrics": example('MODEL.METRICS spam 1 {"auc":1}', "spam", gives=bytes),
    "model.register": example("MODEL.REGISTER spam", "spam", gives=int),
    "model.seal": example(f"MODEL.SEAL big 1 {NOTHING}", "big", gives=str),
    "model.tag": example("MODEL.TAG spam 1 a b", "spam", gives=list, in_resp3=Map),
    "model.unalias": example("MODEL.UNALIAS spam champion", "spam", gives=int),
    "model.unarchive": example("MODEL.UNARCHIVE spam 1", "spam", gives=str),
    "model.untag": example("MODEL.UNTAG spam 1 a", "spam", gives=int),
    "model.versions": example("MODEL.VERSIONS spam", "spam", gives=list),
    "model.weights": example("MODEL.WEIGHTS spam 1", "spam", gives=bytes),
    "queue.ack": example("QUEUE.ACK q g 1-1", "q", gives=int),
    "queue.active": example("QUEUE.ACTIVE q", "q", gives=list),
    "queue.cancel": example("QUEUE.CANCEL q d0000000000000001", "q", gives=int),
    "queue.config": example("QUEUE.CONFIG q", "q", gives=list, in_resp3=Map),
    "queue.dead": example("QUEUE.DEAD q g", "q", gives=list),
    "queue.deregister": example("QUEUE.DEREGISTER q g c", "q", gives=int),
    "queue.drop": example("QUEUE.DROP q", "q", gives=int),
    "queue.extend": example(f"QUEUE.EXTEND q g {TOKEN} 1000", "q", gives=int),
    "queue.heartbeat": example("QUEUE.HEARTBEAT q g c", "q", gives=str),
    "queue.info": example("QUEUE.INFO q", "q", gives=list, in_resp3=Map),
    "queue.list": example("QUEUE.LIST", gives=list),
    "queue.mpush": example("QUEUE.MPUSH q MESSAGES 2 a b", "q", gives=list),
    "queue.nack": example("QUEUE.NACK q g 1-1", "q", gives=int),
    "queue.pending": example("QUEUE.PENDING q g", "q", gives=list),
    "queue.presence": example("QUEUE.PRESENCE q g", "q", gives=list),
    "queue.prune": example("QUEUE.PRUNE", gives=int),
    "queue.purge": example("QUEUE.PURGE q", "q", gives=int),
    "queue.push": example("QUEUE.PUSH q z", "q", gives=bytes),
    "queue.read": example("QUEUE.READ q g c", "q", gives=list),
    "queue.replay": example("QUEUE.REPLAY q g", "q", gives=int),
    "store.clear": example("STORE.CLEAR acme:a", "acme:a", gives=int),
    "store.count": example("STORE.COUNT acme:a", "acme:a", gives=int),
    "store.del": example("STORE.DEL acme:a k", "acme:a", gives=int),
    "store.evict": example("STORE.EVICT", gives=int),
    "store.expire": example("STORE.EXPIRE acme:a k 5", "acme:a", gives=int),
    "store.get": example("STORE.GET acme:a k", "acme:a", gives=bytes),
    "store.index": example("STORE.INDEX acme:a FIELDS 1 a", "acme:a", gives=str),
    "store.indexes": example("STORE.INDEXES acme", "acme", gives=list),
    "store.info": example("STORE.INFO acme:a k", "acme:a", gives=list, in_resp3=Map),
    "store.list": example("STORE.LIST acme:a WITHVALUES", "acme:a", gives=list, in_resp3=Map),
    "store.mget": example("STORE.MGET acme:a k none", "acme:a", gives=list),
    "store.mput": example("STORE.MPUT acme:a x 1 y 2", "acme:a", gives=str),
    "store.namespaces": example("STORE.NAMESPACES acme", "acme", gives=list),
    "store.near": example("STORE.NEAR acme VECTOR abcd", "acme", gives=list),
    "store.put": example("STORE.PUT acme:a k v", "acme:a", gives=str),
    "store.search": example("STORE.SEARCH acme", "acme", gives=list),
    "store.ttl": example("STORE.TTL acme:a k", "acme:a", gives=int),
    "store.unindex": example("STORE.UNINDEX acme", "acme", gives=int),
}

each_command = pytest.mark.parametrize("name", RUNNABLE)


def family_of(entry: Command) -> str:
    return entry.name.partition(".")[0]


def test_every_command_has_an_example_and_every_family_its_pages() -> None:
    assert sorted(EXAMPLES) == sorted(RUNNABLE)
    assert {family_of(entry) for entry in DOMAIN.values()} == set(PAGES)


# --- documentation ----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(name for name in DOMAIN if not DOMAIN[name].subcommands))
def test_command_is_in_the_reference(name: str) -> None:
    page = DOCS / "commands" / PAGES[family_of(DOMAIN[name])][1]
    headings = [line for line in page.read_text().splitlines() if line.startswith("#")]
    assert sum(line.lstrip("#").strip() == DOMAIN[name].name for line in headings) == 1, page


@each_command
def test_command_is_explained_on_its_domain_page(name: str) -> None:
    page = DOCS / "domain" / PAGES[family_of(RUNNABLE[name])][0]
    assert re.search(rf"\b{re.escape(RUNNABLE[name].name)}\b", page.read_text()), page


@each_command
def test_help_of_the_family_lists_the_command(client: Connection, name: str) -> None:
    entry = RUNNABLE[name]
    lines = client(f"{family_of(entry)}.HELP")
    listed = [at for at, line in enumerate(lines) if re.match(rf"{entry.name}( |$)", line)]
    assert len(listed) == 1, lines
    assert lines[listed[0] + 1].startswith("    ")


# --- behaviour --------------------------------------------------------------------------


@each_command
def test_command_is_exercised(name: str) -> None:
    assert name in exercised_names(), f"no test sends {RUNNABLE[name].name}"


@each_command
def test_arity_is_enforced_as_declared(client: Connection, name: str) -> None:
    entry, words = RUNNABLE[name], EXAMPLES[name].words
    refused = Error(f"ERR wrong number of arguments for '{name}' command")
    least = abs(entry.arity)
    name_length = len(entry.name.split(" "))
    assert len(words) == entry.arity or (entry.arity < 0 and len(words) >= least)
    if least > name_length:
        assert client(*words[: least - 1]) == refused
    if entry.arity > 0:
        assert client(*words, "more") == refused
    # The handler must accept every number of words that the declaration allows.
    shortest = client(*words[:least])
    assert shortest != refused
    assert not (isinstance(shortest, Error) and "internal error" in shortest.text), shortest


@each_command
def test_getkeys_finds_the_keys_of_the_example(client: Connection, name: str) -> None:
    found = client("COMMAND", "GETKEYS", *EXAMPLES[name].words)
    expected = EXAMPLES[name].keys or Error("ERR The command has no key arguments")
    assert found == expected


@each_command
@pytest.mark.parametrize("resp", [2, 3])
def test_reply_has_its_type_in_both_protocols(server: RunningServer, name: str, resp: int) -> None:
    server.freeze(1_700_000_000_000)
    client = server.connect(resp=resp)
    for request in SETUP:
        reply = client(*request.split(" "))
        assert not isinstance(reply, Error), (request, reply)
    one = EXAMPLES[name]
    reply = client(*one.words)
    assert type(reply) is (one.resp2 if resp == 2 else one.resp3), reply
