"""What one writer does with the domain families, and what must be there after a kill.

Each family counts its own numbers, and each step uses the next number of every family. Records
that belong together are compared with each other: a job with the indexes it is listed in, a
checkpoint with the one by its id, a queue with the sum of its groups.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support.resp import Connection, Error, Word
from tests.support.waiting import pages

FAMILIES = ("jobs", "checkpoints", "store", "pushes", "models")
STATES = ("queued", "running", "completed", "failed", "cancelled")
# More records than any writer makes.
_ALL = 100_000
_HOUR = 3_600_000


@dataclass
class DomainWritten:
    """What a writer has requested of each family, and what was acknowledged."""

    requested: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0))
    acknowledged: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAMILIES, 0))
    completed: set[str] = field(default_factory=set)
    acks_requested: int = 0
    acks_acknowledged: int = 0


class DomainWriter:
    """Writes records of all families under one name."""

    def __init__(self, name: str, written: DomainWritten) -> None:
        self._name = name
        self._written = written

    def requests(self) -> list[tuple[Word, ...]]:
        """Return the requests of the next step, with a number of its own for each family."""
        requested, name = self._written.requested, self._name
        for family in FAMILIES:
            requested[family] = self._written.acknowledged[family] + 1
        step = requested["checkpoints"]
        return [
            ("JOB.PUT", name, _job_id(requested["jobs"]), _job_row(requested["jobs"])),
            ("JOB.CLAIM", name, "worker", "LEASE", _HOUR),
            ("CP.PUT", name, "thread", "STEP", step, "STATE", f'{{"step":{step}}}'),
            ("STORE.PUT", name, requested["store"], "value"),
            ("QUEUE.PUSH", name, requested["pushes"], "ID", requested["pushes"]),
            ("QUEUE.READ", name, "group", "consumer", "LEASE", _HOUR),
            ("MODEL.REGISTER", name, "WEIGHTS", "weights"),
        ]

    def acknowledge(self, connection: Connection, replies: list[Any]) -> None:
        """Count what was acknowledged, and finish the job and the message that were handed out."""
        written, name = self._written, self._name
        written.acknowledged.update(written.requested)
        _, claimed, _, _, _, read, version = replies
        assert version == written.acknowledged["models"], f"{name} has {version} models"
        job = json.loads(claimed)["id"]
        written.acks_requested += len(read)
        done = connection.pipeline(
            [
                ("JOB.COMPLETE", name, job, "WORKER", "worker"),
                ("QUEUE.ACK", name, "group", *(message[1] for message in read)),
            ]
        )
        assert not any(isinstance(reply, Error) for reply in done), done
        written.completed.add(job)
        written.acks_acknowledged += len(read)


class DomainCheck:
    """Reads the records of one writer after a restart."""

    def __init__(self, connection: Connection, name: str, written: DomainWritten) -> None:
        self._ask = connection
        self._name = name
        self._written = written
        self.lost = 0
        self.half_applied: list[str] = []

    def run(self) -> None:
        found = {
            "jobs": self._jobs(),
            "checkpoints": self._checkpoints(),
            "store": self._store(),
            "models": self._models(),
        }
        written = self._written
        found["pushes"] = self._queue()
        for family, number in found.items():
            self.lost += max(0, written.acknowledged[family] - number)
            self._expect(number <= written.requested[family], f"{family}: never requested")
        # The next round goes on from what is there.
        written.acknowledged = dict(found)
        written.requested = dict(found)
        written.acks_requested = written.acks_acknowledged = found["pushes"] - self._messages()

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.half_applied.append(f"{self._name}: {problem}")

    def _jobs(self) -> int:
        name, ask = self._name, self._ask
        rows = [json.loads(row) for row in ask("JOB.LIST", name, "COUNT", _ALL)[1]]
        ids = sorted(row["id"] for row in rows)
        self._expect(ids == [_job_id(n) for n in range(1, len(ids) + 1)], "jobs have a gap")
        keys = ask("KEYS", f"redkeep:job:{{{name}}}:*")
        self._expect(len(keys) == len(rows), f"{len(keys)} jobs, {len(rows)} of them listed")
        stats = _fields(ask("JOB.STATS", name))
        self._expect(stats[b"total"] == len(rows), f"JOB.STATS counts {stats[b'total']} jobs")
        counts = _fields(stats[b"status"])
        for status in STATES:
            of_status = {row["id"] for row in rows if row["status"] == status}
            listed = ask("JOB.LIST", name, "STATUS", status, "COUNT", _ALL)[1]
            self._expect(
                {json.loads(row)["id"] for row in listed} == of_status
                and counts[status.encode()] == len(of_status),
                f"{len(of_status)} jobs are {status}, {len(listed)} are listed as such",
            )
        completed = {row["id"] for row in rows if row["status"] == "completed"}
        self.lost += len(self._written.completed - completed)
        return len(rows)

    def _checkpoints(self) -> int:
        name, ask = self._name, self._ask
        history = ask("CP.HISTORY", name, "thread", "LIMIT", _ALL)
        bodies = [json.loads(text)["body"] for text in history]
        steps = sorted(body["step"] for body in bodies)
        self._expect(steps == list(range(1, len(steps) + 1)), "checkpoints have a gap")
        self._expect(all(body["state"] == {"step": body["step"]} for body in bodies), "a state")
        by_step = ask("ZCARD", f"entelix:cp:{name}:thread:bystep")
        by_id = ask("HLEN", f"entelix:cp:{name}:thread:byid")
        self._expect(
            by_step == by_id == len(steps),
            f"{len(steps)} checkpoints, {by_step} by step, {by_id} by id",
        )
        return len(steps)

    def _store(self) -> int:
        request = ("STORE.LIST", self._name, "COUNT", 1000, "CURSOR")
        listed = pages(lambda cursor: self._ask(*request, cursor))
        keys = sorted(int(key) for page in listed for key in page)
        self._expect(keys == list(range(1, len(keys) + 1)), "the store has a gap")
        return len(keys)

    def _models(self) -> int:
        versions = [
            _fields(reply)
            for page in pages(partial(self._ask, "MODEL.VERSIONS", self._name, "CURSOR"))
            for reply in page
        ]
        numbers = sorted(version[b"version"] for version in versions)
        self._expect(numbers == list(range(1, len(numbers) + 1)), "models have a gap")
        active = [version[b"version"] for version in versions if version[b"active"]]
        self._expect(active == numbers[-1:], f"{active} of {numbers[-1:]} is active")
        if active:
            model = _fields(self._ask("MODEL.GET", self._name))
            self._expect(model[b"weights"] == b"weights", "a model without weights")
        return len(numbers)

    def _queue(self) -> int:
        """Return how many messages were pushed."""
        written = self._written
        run = self._ask("HGET", f"redkeep:queue:{{{self._name}}}:config", "run") or b""
        prefix = f"redkeep:queue:id:{{{self._name}}}:{run.decode()}:"
        seen = [
            number
            for number in range(1, written.requested["pushes"] + 1)
            if self._ask("EXISTS", prefix + str(number))
        ]
        self._expect(seen == list(range(1, len(seen) + 1)), "the queue has a gap")
        messages = self._messages()
        least = len(seen) - written.acks_requested
        most = len(seen) - written.acks_acknowledged
        self._expect(messages >= least, f"{messages} messages, at least {least} were not acked")
        self.lost += max(0, messages - most)
        return len(seen)

    def _messages(self) -> int:
        reply = self._ask("QUEUE.INFO", self._name)
        if reply is None:
            return 0
        info = _fields(reply)
        for group in map(_fields, info[b"groups"]):
            sum_ = group[b"ready"] + group[b"held"]
            self._expect(sum_ == info[b"messages"], f"{sum_} of {info[b'messages']} messages")
        return int(info[b"messages"])


def _fields(reply: list[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _job_id(number: int) -> str:
    return f"{number:032x}"


def _job_row(number: int) -> str:
    return json.dumps(
        {
            "id": _job_id(number), "kind": "train", "target": "model", "status": "queued",
            "progress": 0, "created_at": number, "started_at": 0, "finished_at": 0,
            "error": None, "spec": "{}", "metrics": None,
        }
    )  # fmt: skip
