"""Random damage to files of every kind: they are refused with a reason, or load soundly.

An internal error, an endless loop or a value that cannot be written again fails the test.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from commands.engine.errors import CommandError
from commands.families import open_instance
from commands.instance.context import Context
from commands.settings.settings import Settings
from redkeep.transfer import import_record, records
from server.persistence.loading import Loader, LoadError
from storage.aof.encoder import encode
from storage.aof.errors import ManifestError
from storage.aof.manifest import Manifest
from storage.errors import WrongType
from storage.rdb import RdbError
from storage.rdb.checksum import crc64
from tests.storage.aof.test_manifest import TEXT
from tests.storage.rdb.test_damage import FILES, NOW, read, small_keyspace, written
from tests.support import fuzzing
from tests.support.damage import Damage

QUICK, DEEP = 300, 100_000


def hunts(quick: int, deep: int) -> pytest.MarkDecorator:
    """Parametrize with the number of attempts and a seed."""
    rounds = [pytest.param(quick, 1, id="quick")]
    rounds += [
        pytest.param(deep // 4, seed, id=f"deep-{seed}", marks=pytest.mark.deep)
        for seed in range(2, 6)
    ]
    return pytest.mark.parametrize(("attempts", "seed"), rounds)


@hunts(QUICK, DEEP)
def test_damaged_snapshots_are_refused_or_sound(attempts: int, seed: int) -> None:
    """With a correct checksum, so that the damage reaches the parser."""
    rng = random.Random(seed)
    sources = [data[:-8] for data in FILES.values()]
    damage = Damage(rng, sources)
    sound = 0
    for _ in range(attempts):
        body = damage.of(rng.choice(sources))
        try:
            keyspace = read(body + crc64(body).to_bytes(8, "little"))
        except RdbError as refused:
            assert 0 <= refused.offset <= len(body) + 8
            continue
        again = written(keyspace)
        assert written(read(again)) == again
        sound += 1
    assert 0 < sound < attempts


def hostile_log(rng: random.Random) -> bytes:
    """A log of writes with arguments that no server would have logged."""
    commands = fuzzing.Commands(rng)
    requests = list(fuzzing.PREPARATION)
    for _ in range(rng.randrange(60)):
        request = commands.any()
        requests += [[b"MULTI"], request, [b"EXEC"]] if rng.random() < 0.2 else [request]
    return encode(requests)


def load_log(data: bytes, path: Path) -> bool:
    """Return whether the log can be loaded; an internal error is raised."""
    path.write_bytes(data)
    settings = Settings()
    settings.set(Settings.dir, str(path.parent))
    instance = open_instance(settings)
    try:
        for _ in Loader(instance).steps([path], as_log=True):
            pass
    except LoadError as error:
        if error.__cause__ is not None:
            raise error.__cause__ from None
        return False
    # A log keeps keys whose deadline has passed; reading a snapshot drops them.
    saved = read(written(instance.keyspace))
    for before, after in zip(instance.keyspace.databases, saved.databases, strict=True):
        alive = [key for key in before.data if (before.deadline(key) or NOW) >= NOW]
        assert alive == [*after.data]
    settled = written(saved)
    assert written(read(settled)) == settled
    return True


@hunts(QUICK, 20_000)
def test_hostile_and_damaged_logs_are_refused_or_sound(
    attempts: int, seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    damage = Damage(rng, [hostile_log(rng), FILES["plain"]])
    sound = 0
    for number in range(attempts):
        data = hostile_log(rng)
        if rng.random() < 0.2:
            data = FILES["compressed"] + data
        sound += load_log(damage.of(data) if number % 2 else data, tmp_path / "log.aof")
    assert 0 < sound < attempts


@hunts(QUICK, DEEP)
def test_damaged_manifests_are_refused_or_sound(attempts: int, seed: int) -> None:
    rng = random.Random(seed)
    damage = Damage(rng, [TEXT.encode()])
    for _ in range(attempts):
        text = damage.of(TEXT.encode()).decode("utf-8", "surrogateescape")
        try:
            manifest = Manifest.parse("appendonly.aof", text)
        except ManifestError as error:
            assert 1 <= error.line <= text.count("\n") + 1
            continue
        assert Manifest.parse("appendonly.aof", manifest.format()) == manifest
        names = [file.name for file in (*manifest.files, *manifest.history)]
        assert len(set(names)) == len(names)
        assert not any("/" in name or "\0" in name for name in names)


_ODD = (
    'null true false 0 -1 9223372036854775808 99999999999999999999 1e308 0.5 "" "0" "x" [] {} '
    '[[]] [1] {"base64":"eA=="} {"base64":"?"} {"base64":null} ["a","b"] [["a","b"]] "inf"'
).split()


def odd_record(rng: random.Random, lines: list[bytes]) -> bytes:
    """A record in which some values are replaced by others, as JSON."""
    record = json.loads(rng.choice(lines))
    for _ in range(rng.randint(1, 3)):
        place = record
        while True:
            at = rng.choice([*place] if isinstance(place, dict) else range(len(place)))
            if isinstance(place[at], (list, dict)) and place[at] and rng.random() < 0.7:
                place = place[at]
                continue
            if rng.random() < 0.2:
                del place[at]
            else:
                place[at] = json.loads(rng.choice(_ODD))
            break
        if not record:
            break
    return json.dumps(record).encode()


@hunts(QUICK, DEEP)
def test_damaged_lines_of_json_are_refused_or_sound(attempts: int, seed: int) -> None:
    rng = random.Random(seed)
    lines = list(records(small_keyspace()))
    damage = Damage(rng, lines)
    sound = 0
    for number in range(attempts):
        instance = open_instance()
        ctx = Context(instance, instance.internal_client())
        line = damage.of(rng.choice(lines)) if number % 2 else odd_record(rng, lines)
        try:
            import_record(instance, ctx, line)
        except (ValueError, CommandError, WrongType):
            continue
        again = written(instance.keyspace)
        assert written(read(again)) == again
        sound += 1
    assert 0 < sound < attempts
