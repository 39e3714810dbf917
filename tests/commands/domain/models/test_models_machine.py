"""Random programs on models, compared with a plain model of what MODEL.* and ML.* promise."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from server.offline import OfflineSession
from tests.support.models import NOW, all_pages, checksum, get, pairs
from tests.support.offline import Recorded
from tests.support.plain_models import Model, Open, Version
from tests.support.resp import Error, Word, parse_all, word

DAY_MS, YEAR_MS = 86_400_000, 365 * 86_400_000
NAMES = ("m", "weird@name")
# What ML.PUT stores as the row of a model.
ROWS = ("{}", "[]", "7", '{"active":2,"own":[1]}', '{"latest":40,"active":"x"}', '{"latest":1}')
ALIASES = ("champion", "other")


def encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def without_active(row: Any, version: int) -> Any:
    """The row of a model, one version of which can no longer be active."""
    active = row.get("active") if isinstance(row, dict) else None
    return row | {"active": None} if active == version else row


def braced(name: str) -> str:
    return "{" + name + "}"


class Machine(RuleBasedStateMachine):
    """Random programs of several clients on two models."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Recorded(NOW)
        self.now = NOW
        self.models = {name: Model() for name in NAMES}
        # Requests alternate between two connections.
        self.turn = 0

    @initialize()
    def begin(self) -> None:
        self.server("CONFIG", "SET", "domain-events", "yes")

    def send(self, *words: Word) -> Any:
        self.turn += 1
        if self.turn % 2:
            return self.server(*words)
        other = OfflineSession(self.server.instance)
        (reply,) = parse_all(other.run([word(value) for value in words]))
        return reply

    def check(self, reply: Any, expected: Any) -> bool:
        """Compare a reply; an expected error is given by its code. True if it is none."""
        if isinstance(reply, Error):
            assert reply.code == expected, reply
            return False
        assert reply == expected
        return True

    # --- what a request does to the model ------------------------------------------------

    def _refused(self, model: Model, version: int, *, row: bool = False) -> str | None:
        """The error of a command about a version, if it is one."""
        if row and not model.readable:
            return "BADRECORD"
        if version in model.versions:
            return None
        return "ERR" if version in model.open else "NOTFOUND"

    def _forget(self, model: Model) -> None:
        model.given = model.highest()
        model.given_until = self.now + YEAR_MS if model.given else None
        model.row, model.description = "", None
        model.versions, model.open, model.aliases = {}, {}, {}

    def _pick(self, data: st.DataObject, model: Model) -> int:
        known = [*model.versions, *model.open, 1, 2, 40]
        return data.draw(st.sampled_from(sorted(set(known))))

    # --- rules ---------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(NAMES),
        weights=st.sampled_from([None, b"", b"w\x00eights"]),
        inactive=st.booleans(),
        pieces=st.booleans(),
        metrics=st.sampled_from(['{"auc":0.9}', " 1"]),
    )
    def register(
        self, name: str, weights: bytes | None, inactive: bool, pieces: bool, metrics: str
    ) -> None:
        model = self.models[name]
        words: list[Word] = ["MODEL.REGISTER", name, "METRICS", metrics]
        if pieces:
            words.append("PIECES")
        elif weights is not None:
            words += ["WEIGHTS", weights]
        words += ["INACTIVE"] if inactive else []
        version = model.highest() + 1
        expected = version if model.readable else "BADRECORD"
        if model.readable and pieces and len(model.open) >= 16:
            expected = "ERR"
        if not self.check(self.send(*words), expected):
            return
        assert version not in model.numbers
        model.numbers.add(version)
        model.remember(version)
        facts = {"metrics": metrics.encode(), "created_at": self.now}
        if pieces:
            model.open[version] = Open(facts, not inactive, self.now + DAY_MS)
        else:
            model.versions[version] = Version(facts, weights)
        model.change_row(latest=version)
        if not inactive and not pieces:
            model.change_row(active=version)

    @rule(data=st.data(), name=st.sampled_from(NAMES), piece=st.sampled_from([b"", b"ab", b"xyz"]))
    def append(self, data: st.DataObject, name: str, piece: bytes) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        found = model.open.get(version)
        if found is None:
            expected: Any = "TERMINAL" if version in model.versions else "NOTFOUND"
            self.check(self.send("MODEL.APPEND", name, version, 0, piece), expected)
            return
        offset = data.draw(st.integers(0, len(found.data) + 1))
        if offset == len(found.data):
            found.data += piece
            expected = len(found.data)
        else:
            there = found.data[offset : offset + len(piece)] == piece and offset < len(found.data)
            expected = len(found.data) if there else "ERR"
        if self.check(self.send("MODEL.APPEND", name, version, offset, piece), expected):
            found.until = self.now + DAY_MS

    @rule(data=st.data(), name=st.sampled_from(NAMES), right=st.booleans())
    def seal(self, data: st.DataObject, name: str, right: bool) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        found, sealed = model.open.get(version), model.versions.get(version)
        given = "0" * 64
        if right and found is not None:
            given = checksum(found.data)
        elif right and sealed is not None and sealed.facts is not None:
            given = sealed.facts.get("checksum", b"0" * 64).decode()
        known = None if sealed is None or sealed.facts is None else sealed.facts.get("checksum")
        expected: Any = "OK"
        if found is None:
            if known != given.encode():
                expected = "NOTFOUND" if sealed is None else "TERMINAL"
        elif not model.readable or not right:
            expected = "BADRECORD"
        reply = self.send("MODEL.SEAL", name, version, given)
        if self.check(reply, expected) and found is not None:
            facts = {"checksum": given.encode(), "weights_bytes": len(found.data)}
            model.versions[version] = Version(found.facts | facts, found.data)
            del model.open[version]
            model.change_row(**({"active": version} if found.active else {}))

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def drop(self, data: st.DataObject, name: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        expected = "TERMINAL" if version in model.versions else int(version in model.open)
        if self.check(self.send("MODEL.DROP", name, version), expected):
            model.open.pop(version, None)

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def activate(self, data: st.DataObject, name: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version, row=True)
        if refused is None and model.versions[version].archived:
            refused = "ARCHIVED"
        if self.check(self.send("MODEL.ACTIVATE", name, version), refused or "OK"):
            model.change_row(active=version)

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def archive(self, data: st.DataObject, name: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version, row=True)
        if self.check(self.send("MODEL.ARCHIVE", name, version), refused or "OK"):
            one = model.versions[version]
            model.row = without_active(model.row, version) if not one.archived else model.row
            one.archived = True
            model.aliases = {name: at for name, at in model.aliases.items() if at != version}

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def unarchive(self, data: st.DataObject, name: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version)
        if self.check(self.send("MODEL.UNARCHIVE", name, version), refused or "OK"):
            model.versions[version].archived = False

    @rule(data=st.data(), name=st.sampled_from(NAMES), alias=st.sampled_from(ALIASES))
    def alias(self, data: st.DataObject, name: str, alias: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version)
        if refused is None and model.versions[version].archived:
            refused = "ARCHIVED"
        if self.check(self.send("MODEL.ALIAS", name, alias, version), refused or "OK"):
            model.aliases[alias] = version

    @rule(name=st.sampled_from(NAMES), alias=st.sampled_from(ALIASES))
    def unalias(self, name: str, alias: str) -> None:
        there = self.models[name].aliases.pop(alias, None) is not None
        assert self.send("MODEL.UNALIAS", name, alias) == there

    @rule(data=st.data(), name=st.sampled_from(NAMES), key=st.sampled_from("ab"))
    def tag(self, data: st.DataObject, name: str, key: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version)
        reply = self.send("MODEL.TAG", name, version, key, "x")
        if refused is not None:
            self.check(reply, refused)
        else:
            tags = model.versions[version].tags
            tags[key] = "x"
            assert pairs(reply) == dict.fromkeys(tags, b"x")

    @rule(data=st.data(), name=st.sampled_from(NAMES), key=st.sampled_from("ab"))
    def untag(self, data: st.DataObject, name: str, key: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version)
        there = refused is None and key in model.versions[version].tags
        if self.check(self.send("MODEL.UNTAG", name, version, key), refused or int(there)):
            model.versions[version].tags.pop(key, None)

    @rule(data=st.data(), name=st.sampled_from(NAMES), text=st.sampled_from(["", "one", "two"]))
    def describe(self, data: st.DataObject, name: str, text: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version)
        if self.check(self.send("MODEL.DESCRIBE", name, version, text), refused or "OK"):
            model.versions[version].description = text or None
        refused = None if isinstance(model.row, dict) else "NOTFOUND"
        refused = refused if model.readable else "BADRECORD"
        if self.check(self.send("MODEL.DESCRIBE", name, text), refused or "OK"):
            model.description = text or None

    @rule(
        data=st.data(),
        name=st.sampled_from(NAMES),
        metrics=st.dictionaries(st.sampled_from("xy"), st.sampled_from([None, 1, True, 0.5])),
    )
    def report(self, data: st.DataObject, name: str, metrics: dict[str, Any]) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        refused = self._refused(model, version)
        reply = self.send("MODEL.METRICS", name, version, json.dumps(metrics))
        if refused is not None:
            self.check(reply, refused)
            return
        known = model.versions[version].metrics
        for metric, value in metrics.items():
            if value is None:
                known.pop(metric, None)
            elif metric not in known or repr(known[metric]["value"]) != repr(value):
                known[metric] = {"value": value, "at": self.now}
        assert json.loads(reply) == known

    # --- the raw layer -------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), row=st.sampled_from(ROWS))
    def put_row(self, name: str, row: str) -> None:
        model = self.models[name]
        assert self.send("ML.PUT", "p", "models", name, row) == "OK"
        model.remember()
        model.row = json.loads(row)
        model.remember()

    @rule(
        name=st.sampled_from(NAMES),
        version=st.sampled_from([1, 2, 3, 7]),
        row=st.sampled_from(["5", '{"metrics":"raw"}']),
    )
    def put_version(self, name: str, version: int, row: str) -> None:
        model = self.models[name]
        key = f"{name}@v{version}"
        assert self.send("ML.PUT", "p", "model_versions", key, row) == "OK"
        assert self.send("ML.GET", "p", "model_versions", key) == row.encode()
        value = json.loads(row)
        facts = {"metrics": b"raw"} if isinstance(value, dict) else None
        model.numbers.add(version)
        model.remember(version)
        model.open.pop(version, None)
        if version in model.versions:
            model.versions[version].facts = facts
        else:
            model.versions[version] = Version(facts)
        if model.row == "":
            model.row = {}

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def delete_version(self, data: st.DataObject, name: str) -> None:
        model = self.models[name]
        version = self._pick(data, model)
        there = version in model.versions
        assert self.send("ML.DEL", "p", "model_versions", f"{name}@v{version}") == there
        if not there:
            return
        model.remember()
        del model.versions[version]
        model.aliases = {name: at for name, at in model.aliases.items() if at != version}
        model.row = without_active(model.row, version)
        if model.row == "" and not model.versions:
            self._forget(model)

    @rule(name=st.sampled_from(NAMES))
    def delete_row(self, name: str) -> None:
        model = self.models[name]
        assert self.send("ML.DEL", "p", "models", name) == (model.row != "")
        if model.row == "":
            return
        if not model.versions:
            self._forget(model)
        else:
            model.remember()
            model.row = ""

    @rule(name=st.sampled_from(NAMES))
    def delete_model(self, name: str) -> None:
        model = self.models[name]
        there = model.row != "" or bool(model.versions)
        reply = self.send("MODEL.DEL", name)
        if not there:
            # Facts of open versions may be left that end with them.
            assert reply in (0, 1)
        else:
            assert reply == 1
            self._forget(model)
            assert self.server("EXISTS", "redkeep:events:model:" + braced(name)) == 0

    # --- time and restarts ---------------------------------------------------------------

    @rule(ms=st.sampled_from([1, DAY_MS // 2 + 100_000, DAY_MS + 1, YEAR_MS + 1]))
    def advance(self, ms: int) -> None:
        self.server.advance(ms)
        self.server.sweep()
        self.now += ms
        for model in self.models.values():
            model.open = {
                version: one for version, one in model.open.items() if one.until >= self.now
            }
            if model.given_until is not None and model.given_until < self.now:
                model.given, model.given_until = 0, None
                model.numbers.clear()

    @precondition(lambda self: self.turn)
    @rule()
    def restart_from_the_log(self) -> None:
        # Time stands at zero while a log is loaded.
        copy = Recorded(0)
        copy.replay(self.server.take_log())
        copy.advance(self.now)
        self.server = copy
        self.server("CONFIG", "SET", "domain-events", "yes")

    @precondition(lambda self: self.turn)
    @rule()
    def restart_from_a_snapshot(self) -> None:
        copy = Recorded(self.now)
        for key in self.server("KEYS", "*"):
            until = max(self.server("PEXPIRETIME", key), 0)
            assert copy("RESTORE", key, until, self.server("DUMP", key), "ABSTTL") == "OK"
        self.server = copy
        self.server("CONFIG", "SET", "domain-events", "yes")

    # --- what always holds -----------------------------------------------------------------

    @invariant()
    def everything_is_shown_as_it_is(self) -> None:
        client = self.server
        listed = {pairs(one)["name"].decode(): one for one in all_pages(client, "MODEL.LIST")}
        assert set(listed) == {n for n, model in self.models.items() if isinstance(model.row, dict)}
        for name, model in self.models.items():
            if name in listed:
                shown = pairs(listed[name])
                assert shown["active"] == model.active
                assert shown["total"] == len(model.versions)
                assert shown["archived"] == sum(one.archived for one in model.versions.values())
                assert pairs(shown["aliases"]) == model.aliases
                assert shown["description"] == encoded(model.description)
            if model.readable:
                self.versions_are_shown(name, model)
        rows = all_pages(client, "ML.LIST", "p", "model_versions")[::2]
        assert rows == [
            f"{name}@v{version}".encode()
            for name in NAMES
            for version in sorted(self.models[name].versions)
        ]

    def versions_are_shown(self, name: str, model: Model) -> None:
        client = self.server
        found = [pairs(one) for one in all_pages(client, "MODEL.VERSIONS", name)]
        readable = [v for v, one in sorted(model.versions.items()) if one.facts is not None]
        assert [one["version"] for one in found] == readable
        for shown in found:
            version = shown["version"]
            one = model.versions[version]
            assert one.facts is not None
            assert shown.items() >= one.facts.items()
            assert (shown["active"], shown["archived"], shown["sealed"]) == (
                version == model.active,
                one.archived,
                1,
            )
            aliases = sorted(alias for alias, at in model.aliases.items() if at == version)
            assert shown["aliases"] == [alias.encode() for alias in aliases]
            assert shown["description"] == encoded(one.description)
            assert pairs(shown["tags"]) == {key: value.encode() for key, value in one.tags.items()}
            assert json.loads(shown["reported_metrics"] or b"{}") == one.metrics
            assert client("MODEL.WEIGHTS", name, version) == one.weights
            assert get(client, name, version) == shown | {"weights": one.weights}
        for alias in ALIASES:
            at = model.aliases.get(alias)
            if at is None:
                assert get(client, name, "@" + alias) is None
            elif model.versions[at].facts is not None:
                assert get(client, name, "@" + alias) == get(client, name, at)
        if model.active in readable or model.active is None:
            active = get(client, name)
            assert (active and active["version"]) == model.active
        for version, one_open in model.open.items():
            part = get(client, name, version, "NOWEIGHTS")
            assert part is not None
            assert (part["sealed"], part["weights_bytes"]) == (0, len(one_open.data))

    @invariant()
    def nothing_else_is_stored(self) -> None:
        expected: set[str] = set()
        for name, model in self.models.items():
            tag = braced(name)
            versions = model.versions.values()
            kept = {
                "redkeep:models:": model.row != "",
                "redkeep:model_versions:": bool(model.versions),
                "redkeep:model_order:": bool(model.versions),
                "redkeep:model_archive:": any(one.archived for one in versions),
                "redkeep:model_aliases:": bool(model.aliases),
                "redkeep:model_latest:": model.given > 0,
                "redkeep:model_notes:": bool(model.description)
                or any(one.has_note for one in versions),
            }
            expected |= {prefix + tag for prefix, is_kept in kept.items() if is_kept}
            with_weights = [v for v, one in model.versions.items() if one.weights is not None]
            for version in (*with_weights, *model.open):
                expected.add(f"redkeep:model_weights:{tag}:{version}")
        found = {key.decode() for key in self.server("KEYS", "*")}
        passing = ("redkeep:model_open:", "redkeep:events:")
        assert {key for key in found if not key.startswith(passing)} == expected


def test_random_programs_match_the_model() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=200, stateful_step_count=30, deadline=None)
    )
