"""ML.*: the raw view on the rows of jobs, models and their versions."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import Any

import pytest

from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer
from tests.support.waiting import pages

ID = "0123456789abcdef0123456789abcdef"
NAMESPACES = ("models", "model_versions", "jobs")
KNOWN = "jobs, model_versions, models"
WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


def job_row(ident: str = ID, **members: Any) -> str:
    row = {
        "id": ident,
        "kind": "train",
        "target": "spam",
        "status": "queued",
        "progress": 0,
        "created_at": 5,
        "started_at": 0,
        "finished_at": 0,
        "error": None,
        "spec": "{}",
        "metrics": None,
    }
    return json.dumps(row | members, separators=(",", ":"))


KEYS = {"models": "spam", "model_versions": "spam@v42", "jobs": ID}
VALUES = {"models": '{"name": "spam"}', "model_versions": '{"x": 1}', "jobs": job_row()}

each_namespace = pytest.mark.parametrize("namespace", NAMESPACES)


@each_namespace
def test_put_then_get(client: Connection, namespace: str) -> None:
    key, value = KEYS[namespace], VALUES[namespace]
    assert client("ML.PUT", "p", namespace, key, value) == "OK"
    assert client("ML.GET", "p", namespace, key) == value.encode()
    before = client("DEBUG", "DIGEST")
    assert client("ML.PUT", "p", namespace, key, value) == "OK"
    assert client("DEBUG", "DIGEST") == before


@each_namespace
def test_get_missing_is_nil(client: Connection, namespace: str) -> None:
    assert client("ML.GET", "p", namespace, KEYS[namespace]) is None


@each_namespace
def test_del_returns_whether_there_was_a_row(client: Connection, namespace: str) -> None:
    assert client("ML.DEL", "p", namespace, KEYS[namespace]) == 0
    client("ML.PUT", "p", namespace, KEYS[namespace], VALUES[namespace])
    assert client("ML.DEL", "p", namespace, KEYS[namespace]) == 1
    assert client("ML.DEL", "p", namespace, KEYS[namespace]) == 0
    assert client("ML.GET", "p", namespace, KEYS[namespace]) is None


def test_a_list_has_the_rows_of_one_namespace(client: Connection) -> None:
    other = ID[::-1]
    client("ML.PUT", "p", "jobs", ID, job_row())
    client("ML.PUT", "p", "jobs", other, job_row(other, created_at=6))
    client("ML.PUT", "p", "models", "spam", "{}")
    assert client("ML.LIST", "p", "jobs") == [
        b"0",
        [ID.encode(), job_row().encode(), other.encode(), job_row(other, created_at=6).encode()],
    ]
    assert client("ML.LIST", "p", "models") == [b"0", [b"spam", b"{}"]]
    assert client("ML.LIST", "p", "model_versions") == [b"0", []]
    assert client("ML.LIST", "q", "jobs") == [b"0", []]


def test_job_keys_are_32_hex_digits(client: Connection) -> None:
    assert client("ML.PUT", "p", "jobs", ID, job_row()) == "OK"
    for key in ("abc", "0" * 31, "0" * 33, "g" * 32):
        assert client("ML.PUT", "p", "jobs", key, job_row(key)).code == "ERR"
        assert client("ML.GET", "p", "jobs", key) is None


def test_keys_that_do_not_have_the_form_of_a_version(client: Connection) -> None:
    assert client("ML.PUT", "p", "model_versions", "weird@name@v7", "{}") == "OK"
    assert client("ML.LIST", "p", "model_versions") == [b"0", [b"weird@name@v7", b"{}"]]
    for key in ("spam", "spam@vfoo", "spam@v", "spam@v-1", "spam@v4294967296"):
        assert client("ML.PUT", "p", "model_versions", key, "{}") == Error(
            f"ERR a key of model_versions must be <model>@v<n>, not '{key}'"
        )
        assert client("ML.GET", "p", "model_versions", key) is None
        assert client("ML.DEL", "p", "model_versions", key) == 0


def list_page(client: Connection, namespace: str, cursor: bytes) -> Any:
    return client("ML.LIST", "p", namespace, "CURSOR", cursor, "COUNT", 2)


def test_lists_are_paged(client: Connection) -> None:
    names = [f"m{number:02d}" for number in range(7)]
    for name in reversed(names):
        client("ML.PUT", "p", "models", name, "{}")
        for version in (10, 9, 1):
            client("ML.PUT", "p", "model_versions", f"{name}@v{version}", "{}")
    versions = [f"{name}@v{version}" for name in names for version in (1, 9, 10)]
    for namespace, keys in (("models", names), ("model_versions", versions)):
        found = [
            [key.decode() for key in flat[::2]]
            for flat in pages(partial(list_page, client, namespace))
        ]
        assert all(len(page) == 2 for page in found[:-1])
        assert [key for page in found for key in page] == keys


def test_rows_are_shared_with_the_commands_of_jobs_and_models(
    client: Connection, client3: Connection
) -> None:
    client("ML.PUT", "p", "jobs", ID, job_row())
    assert json.loads(client("JOB.CLAIM", "p", "w"))["id"] == ID
    assert json.loads(client("ML.GET", "p", "jobs", ID))["status"] == "running"
    client("JOB.CANCEL", "p", ID)
    assert client("ML.PUT", "p", "jobs", ID, job_row()) == "OK"
    assert client("MODEL.REGISTER", "spam", "METRICS", '{"auc": 1}') == 1
    row = json.loads(client("ML.GET", "p", "model_versions", "spam@v1"))
    assert row["metrics"] == '{"auc": 1}'
    assert json.loads(client("ML.GET", "p", "models", "spam"))["active"] == 1
    client("ML.PUT", "p", "model_versions", "spam@v5", json.dumps(row | {"version": 5}))
    assert client("MODEL.REGISTER", "spam") == 6
    cursor, rows = client3("ML.LIST", "p", "model_versions")
    assert cursor == b"0"
    assert isinstance(rows, Map)
    assert [key for key, _ in rows.items] == [b"spam@v1", b"spam@v5", b"spam@v6"]


POOL_NAME = "ERR the name of a pool must not be empty or contain braces"
ERRORS = f"""
PUT p Models spam {{}} => NAMESPACE unknown namespace 'Models', known are: {KNOWN}
PUT p models spam {{ => BADRECORD the value for spam in models is not valid JSON
PUT p models {{}} {{ => BADRECORD the value for {{}} in models is not valid JSON
PUT p models '' {{}} => ERR invalid model name '': it must not be empty or start with '}}'
PUT p model_versions m@v1 nope => BADRECORD the value for m@v1 in model_versions is not valid JSON
PUT p model_versions spam {{}} => ERR a key of model_versions must be <model>@v<n>, not 'spam'
PUT p jobs {ID} {{ => BADRECORD the value for {ID} in jobs is not valid JSON
PUT p jobs abc {{}} => ERR the id must be 32 hex digits, not 'abc'
PUT '' jobs {ID} {{}} => {POOL_NAME}
PUT a}} models spam {{}} => {POOL_NAME}
GET '' models spam => {POOL_NAME}
GET p dogs spam => NAMESPACE unknown namespace 'dogs', known are: {KNOWN}
DEL p nothing spam => NAMESPACE unknown namespace 'nothing', known are: {KNOWN}
DEL '' models spam => {POOL_NAME}
LIST '' models => {POOL_NAME}
LIST p models CURSOR 5 => ERR invalid cursor '5'
LIST p model_versions CURSOR +x => ERR invalid cursor '+x'
LIST p jobs CURSOR +x => ERR invalid cursor '+x'
LIST p jobs COUNT 0 => ERR COUNT must be an integer of at least 1, not '0'
LIST p jobs NOPE => ERR unknown option 'NOPE'
LIST p jobs COUNT 1 COUNT 2 => ERR COUNT is given twice
GET p model_versions broken@v1 => {WRONGTYPE}
"""


@pytest.mark.parametrize("line", ERRORS.strip().splitlines(), ids=ascii)
def test_an_error_names_its_cause_and_changes_nothing(client: Connection, line: str) -> None:
    client("MODEL.REGISTER", "spam")
    client("SET", "redkeep:model_versions:{broken}", "x")
    before = client("DEBUG", "DIGEST")
    request, text = line.split(" => ")
    name, *words = shlex.split(request)
    assert client(f"ML.{name}", *words) == Error(text)
    assert client("DEBUG", "DIGEST") == before


def test_unreadable_rows_are_skipped_in_lists_and_an_error_when_named(
    server: RunningServer, client: Connection
) -> None:
    for name in ("a", "b", "c"):
        client("MODEL.REGISTER", name)
        client("JOB.SUBMIT", "p", "train", name, "{}", "ID", name * 32)
    client("SET", "redkeep:models:{a}", "{")
    client("DEL", "redkeep:models:{b}")
    client("LPUSH", "redkeep:models:{b}", "x")
    client("HSET", "redkeep:model_versions:{a}", "1", "[")
    client("HSET", f"redkeep:job:{{p}}:{'a' * 32}", "row", "x")
    for namespace, expected in (("models", b"c"), ("model_versions", b"b@v1"), ("jobs", b"b" * 32)):
        _, flat = client("ML.LIST", "p", namespace)
        assert flat[0] == expected
    assert server.call(lambda: server.instance.statistics.bad_records) >= 4
    assert client("ML.GET", "p", "models", "a") == Error(
        "BADRECORD the row of a in models is not valid JSON"
    )
    assert client("ML.GET", "p", "model_versions", "a@v1").code == "BADRECORD"
    assert client("ML.GET", "p", "jobs", "a" * 32).code == "BADRECORD"


def test_rows_in_a_transaction(client: Connection) -> None:
    client("MULTI")
    client("ML.PUT", "p", "jobs", ID, job_row())
    client("ML.LIST", "p", "jobs")
    client("ML.DEL", "p", "jobs", ID)
    assert client("EXEC") == ["OK", [b"0", [ID.encode(), job_row().encode()]], 1]


def test_help_shows_the_syntax(client: Connection) -> None:
    assert client("ML.HELP")[1].startswith("ML.PUT pool namespace key json")
