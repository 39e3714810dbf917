"""walrus: containers, models with full-text search, a rate limiter, locks and consumer groups."""

from __future__ import annotations

from support import URL
from walrus import Database, IntegerField, Model, TextField

db = Database.from_url(URL)


class Note(Model):
    __database__ = db
    title = TextField(index=True)
    body = TextField(fts=True)
    stars = IntegerField(index=True)


def main() -> None:
    users = db.Hash("user")
    users.update(name="huey", age=3)
    assert users["name"] == b"huey"
    queue = db.List("queue")
    queue.extend(["a", "b", "c"])
    assert queue[1:] == [b"b", b"c"]
    scores = db.ZSet("scores")
    scores.add({"x": 1, "y": 5, "z": 3})
    assert scores[:] == [b"x", b"z", b"y"]
    assert db.Set("left") - db.Set("right") == set()
    array = db.Array("array")
    array.extend(["one", "two", "three"])
    assert array[1] == b"two"
    assert array.pop(0) == b"one"
    assert len(array) == 2

    Note.create(title="first", body="locks and queues", stars=1)
    Note.create(title="second", body="queues of jobs", stars=5)
    assert [note.title for note in Note.query(Note.body.search("queues"), Note.stars)] == [
        "first",
        "second",
    ]
    assert Note.get(Note.stars >= 3).title == "second"

    limit = db.rate_limit("calls", limit=3, per=60)
    assert [limit.limit("me") for _ in range(4)] == [False, False, False, True]
    lock = db.lock("work", ttl=10_000)
    assert lock.acquire() and not db.lock("work", ttl=10_000).acquire(block=False)
    assert lock.release()

    cache = db.cache()
    calls: list[int] = []

    @cache.cached(timeout=60)
    def slow(n: int) -> int:
        calls.append(n)
        return n * 2

    assert [slow(4), slow(4), calls] == [8, 8, [4]]

    group = db.consumer_group("workers", ["events"])
    group.create()
    added = group.events.add({"kind": "start"})
    ((_, entries),) = group.read(count=5)
    assert entries[0][0] == added
    assert group.events.ack(added) == 1


if __name__ == "__main__":
    main()
