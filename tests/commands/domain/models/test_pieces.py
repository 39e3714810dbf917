"""Weights in pieces, by reference, and read in parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands.domain.models import pieces
from tests.support.models import NOW, all_pages, checksum, get, pairs, upload
from tests.support.offline import Offline
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

DAY_MS = 86_400_000
WEIGHTS = bytes(range(256)) * 3


def test_weights_in_pieces(client: Connection) -> None:
    assert client("MODEL.REGISTER", "m", "PIECES", "METRICS", '{"auc":1}', "BY", "ada") == 1
    assert client("MODEL.APPEND", "m", 1, 0, WEIGHTS[:300]) == 300
    assert client("MODEL.APPEND", "m", 1, 300, WEIGHTS[300:]) == len(WEIGHTS)
    assert client("MODEL.SEAL", "m", 1, checksum(WEIGHTS).upper()) == "OK"
    found = get(client, "m")
    assert found is not None
    assert (found["version"], found["sealed"], found["active"]) == (1, 1, 1)
    assert (found["weights"], found["weights_bytes"]) == (WEIGHTS, len(WEIGHTS))
    assert found["checksum"] == checksum(WEIGHTS).encode()
    assert (found["metrics"], found["created_by"]) == (b'{"auc":1}', b"ada")
    assert client("PTTL", "redkeep:model_weights:{m}:1") == -1
    assert client("EXISTS", "redkeep:model_open:{m}") == 0


def test_an_open_version_is_no_version_yet(client: Connection) -> None:
    client("MODEL.REGISTER", "m")
    assert client("MODEL.REGISTER", "m", "PIECES", "BY", "ada") == 2
    client("MODEL.APPEND", "m", 2, 0, "abc")
    found = get(client, "m", 2)
    assert found is not None
    assert (found["sealed"], found["active"], found["weights_bytes"]) == (0, 0, 3)
    assert (found["weights"], found["created_by"]) == (None, b"ada")
    assert get(client, "m", 2, "NOWEIGHTS") == {
        name: value for name, value in found.items() if name != "weights"
    }
    active = get(client, "m")
    assert active is not None and active["version"] == 1
    assert [pairs(one)["version"] for one in all_pages(client, "MODEL.VERSIONS", "m")] == [1]
    assert client("ML.GET", "p", "model_versions", "m@v2") is None
    assert client("MODEL.WEIGHTS", "m", 2) is None
    is_open = Error("ERR version 2 of model 'm' is open, MODEL.SEAL completes it")
    for name in ("ACTIVATE", "ARCHIVE", "UNARCHIVE", "TAG"):
        assert client(f"MODEL.{name}", "m", 2) == is_open
    assert client("MODEL.REGISTER", "m", "PARENT", 2) == is_open


def test_a_version_that_is_sealed_never_changes(client: Connection) -> None:
    assert upload(client, "m", WEIGHTS, "INACTIVE") == 1
    assert get(client, "m") is None
    before = client("DEBUG", "DIGEST")
    sealed = Error("TERMINAL version 1 of model 'm' is sealed")
    assert client("MODEL.APPEND", "m", 1, len(WEIGHTS), "x") == sealed
    assert client("MODEL.DROP", "m", 1) == sealed
    assert client("MODEL.SEAL", "m", 1, "0" * 64) == sealed
    assert client("MODEL.SEAL", "m", 1, checksum(WEIGHTS)) == "OK"
    assert client("DEBUG", "DIGEST") == before


def test_a_wrong_checksum_leaves_the_version_open(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, "abc")
    assert client("MODEL.SEAL", "m", 1, "0" * 64) == Error(
        f"BADRECORD the weights of version 1 of model 'm' have the SHA-256 {checksum(b'abc')}, "
        f"not {'0' * 64}"
    )
    assert client("MODEL.APPEND", "m", 1, 3, "d") == 4
    assert client("MODEL.SEAL", "m", 1, checksum(b"abcd")) == "OK"


def test_pieces_may_be_sent_again(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "PIECES")
    for _ in range(2):
        assert client("MODEL.APPEND", "m", 1, 0, "abc") == 3
    client("MODEL.APPEND", "m", 1, 3, "def")
    assert client("MODEL.APPEND", "m", 1, 3, "def") == 6
    assert client("MODEL.APPEND", "m", 1, 0, "abc") == 6
    assert client("MODEL.APPEND", "m", 1, 6, "") == 6
    assert client("MODEL.APPEND", "m", 1, 2**63 - 1, "x").code == "ERR"
    assert client("GET", "redkeep:model_weights:{m}:1") == b"abcdef"


def test_an_open_version_ends_a_day_after_its_last_piece(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    client("MODEL.REGISTER", "m", "PIECES")
    server.advance(DAY_MS - 1)
    client("MODEL.APPEND", "m", 1, 0, "abc")
    server.advance(DAY_MS - 1)
    assert client("MODEL.APPEND", "m", 1, 0, "abc") == 3
    server.advance(DAY_MS + 1)
    assert client("MODEL.APPEND", "m", 1, 3, "d") == Error(
        "NOTFOUND no open version 1 of model 'm'"
    )
    assert get(client, "m", 1) is None
    assert sorted(client("KEYS", "*")) == [b"redkeep:model_latest:{m}", b"redkeep:models:{m}"]


def test_open_versions_are_dropped(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, "abc")
    assert client("MODEL.DROP", "m", 1) == 1
    assert client("MODEL.DROP", "m", 1) == 0
    assert client("EXISTS", "redkeep:model_open:{m}", "redkeep:model_weights:{m}:1") == 0


def test_a_model_has_a_limited_number_of_open_versions(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    for _ in range(16):
        client("MODEL.REGISTER", "m", "PIECES")
        server.advance(1)
    assert client("MODEL.REGISTER", "m", "PIECES") == Error(
        "ERR model 'm' has 16 open versions, the most it can have: seal or drop one"
    )
    # The first one ends; its place can be used, and nothing of it is left.
    server.advance(DAY_MS - 15)
    assert client("MODEL.REGISTER", "m", "PIECES") == 17
    assert client("HLEN", "redkeep:model_open:{m}") == 16


def test_del_removes_open_versions(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, "abc")
    assert client("MODEL.DEL", "m") == 1
    assert client("KEYS", "*") == [b"redkeep:model_latest:{m}"]


def test_an_open_version_is_replaced_by_a_row_of_its_number(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, "abc")
    client("ML.PUT", "p", "model_versions", "m@v1", "{}")
    found = get(client, "m", 1)
    assert found is not None and (found["sealed"], found["weights"]) == (1, None)
    assert client("MODEL.APPEND", "m", 1, 3, "d").code == "TERMINAL"


def test_weights_are_read_in_parts(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "WEIGHTS", WEIGHTS)
    client("MODEL.REGISTER", "m", "INACTIVE")
    client("MODEL.ALIAS", "m", "champion", 1)
    assert client("MODEL.WEIGHTS", "m", 1) == WEIGHTS
    assert client("MODEL.WEIGHTS", "m", "@champion") == WEIGHTS
    for offset in (0, 1, 700, 768, 5000, 2**63 - 1):
        for length in (1, 100, 768, 2**63 - 1):
            expected = WEIGHTS[offset : offset + length]
            part = client("MODEL.WEIGHTS", "m", 1, "OFFSET", offset, "LENGTH", length)
            assert part == expected
        assert client("MODEL.WEIGHTS", "m", 1, "OFFSET", offset) == WEIGHTS[offset:]
    assert client("MODEL.WEIGHTS", "m", 2) is None
    assert client("MODEL.WEIGHTS", "m", 2, "LENGTH", 5) is None
    assert client("MODEL.WEIGHTS", "m", 3) is None
    assert client("MODEL.WEIGHTS", "m", "@other") is None


def test_weights_by_reference(client: Connection) -> None:
    uri, digest = "s3://models/spam/7", checksum(WEIGHTS)
    assert client("MODEL.REGISTER", "m", "WEIGHTSREF", uri, "CHECKSUM", digest) == 1
    found = get(client, "m")
    assert found is not None
    assert (found["weights_ref"], found["checksum"]) == (uri.encode(), digest.encode())
    assert (found["weights"], found["weights_bytes"]) == (None, None)


def test_noweights_leaves_the_weights_out(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "WEIGHTS", WEIGHTS)
    found = get(client, "m", "NOWEIGHTS")
    assert found is not None
    assert "weights" not in found and found["weights_bytes"] == len(WEIGHTS)


def test_the_events_of_an_upload(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:model:m")
    upload(client, "m", b"abcdef", size=4)
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.DROP", "m", 2)
    events: list[Any] = [json.loads(listener.read_push().items[2]) for _ in range(6)]
    assert [(event["event"], event["version"]) for event in events] == [
        *(("open", 1), ("append", 1), ("append", 1), ("register", 1), ("open", 2), ("drop", 2)),
    ]
    assert [event["bytes"] for event in events[1:3]] == [4, 6]
    assert events[3]["active"] is True


# --- large weights ----------------------------------------------------------------------------


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_HASHED_AT_ONCE", 100)


def test_the_checksum_of_large_weights_is_computed_in_parts(
    server: RunningServer, client: Connection, small_steps: None
) -> None:
    server.freeze(NOW)
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, WEIGHTS)
    sealing, waiting = server.connect(), server.connect()
    server.block(sealing, "MODEL.SEAL", "m", 1, checksum(WEIGHTS))
    server.block(waiting, "MODEL.SEAL", "m", 1, "0" * 64)
    for _ in range(len(WEIGHTS) // 100):
        assert get(client, "m") is None
        server.advance(1)
        client("PING")
    server.advance(1)
    assert sealing.read() == "OK"
    assert waiting.read() == Error("TERMINAL version 1 of model 'm' is sealed")
    found = get(client, "m")
    assert found is not None and found["weights"] == WEIGHTS


def test_a_version_may_go_while_its_checksum_is_computed(
    server: RunningServer, client: Connection, small_steps: None
) -> None:
    server.freeze(NOW)
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, WEIGHTS)
    sealing = server.connect()
    server.block(sealing, "MODEL.SEAL", "m", 1, checksum(WEIGHTS))
    client("MODEL.DROP", "m", 1)
    server.advance(1)
    assert sealing.read() == Error("NOTFOUND no open version 1 of model 'm'")


def test_large_weights_are_not_sealed_in_a_transaction(small_steps: None) -> None:
    client = Offline(NOW)
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.APPEND", "m", 1, 0, WEIGHTS)
    client("MULTI")
    client("MODEL.SEAL", "m", 1, checksum(WEIGHTS))
    assert client("EXEC") == [
        Error("ERR weights of more than 4 MB cannot be sealed in a transaction")
    ]
