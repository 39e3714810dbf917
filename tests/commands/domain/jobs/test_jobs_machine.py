"""Random sessions of jobs: claims, expired leases, retries, dependencies, restarts.

The machine sends commands to a server without sockets, and only it moves the clock. After
every step it reads all keys with ordinary commands, and computes from the jobs alone what
every index and every figure has to be. Its model holds only what the keys cannot tell: the
claims it was given with their tokens, the rows of ended jobs, the starts of each job, and the
jobs that must exist. Keys of jobs and indexes are deleted as any client could, and the patrol
looks at the pool before it is compared again.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.support.jobs import patrol
from tests.support.offline import Recorded
from tests.support.resp import Error, Word

NOW = 1_700_000_000_000
POOL = "work"
JOB = b"redkeep:job:{work}:"
INDEX = b"redkeep:jobs:{work}:"
DUE = b"redkeep:jobs-due:{work}"
KINDS = ("train", "backfill")
STATUSES = ("queued", "running", "completed", "failed", "cancelled")
TERMINAL = STATUSES[2:]

# The usual run plays the same sessions each time, so that a failure can be reproduced.
QUICK = settings(
    max_examples=100,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
)
DEEP = settings(max_examples=2000, stateful_step_count=60, deadline=None)

workers = st.sampled_from(["w1", "w2"])
# Which of the leases a worker uses; below zero, a job and a worker drawn at random.
picks = st.integers(-1, 5)
kinds = st.sampled_from(KINDS)
moments = st.sampled_from([0, 1, 50, 1000])


def restore(server: Recorded, contents: dict[bytes, Any]) -> None:
    """Store keys with ordinary commands."""
    for key, value in contents.items():
        if isinstance(value, set):
            server("SADD", key, *value)
        elif isinstance(value, bytes):
            server("SET", key, value)
        elif key.startswith(JOB) or key.endswith((b"}:unique", b"}:config", b"}:schedules")):
            server("HSET", key, *(word for pair in value.items() for word in pair))
        else:
            server("ZADD", key, *(word for m, s in value.items() for word in (s, m)))


def expected_indexes(jobs: dict[bytes, dict[bytes, bytes]]) -> dict[bytes, Any]:
    """Compute all other keys of the pool, by the table in `commands/domain/jobs/rows.py`."""
    zsets: dict[bytes, dict[bytes, int]] = defaultdict(dict)
    sets: dict[bytes, Any] = defaultdict(set)
    unique = {}
    for ident, fields in jobs.items():
        row = json.loads(fields[b"row"])
        status, kind, created = row["status"], row["kind"].encode(), row["created_at"]
        zsets[INDEX + b"all"][ident] = created
        zsets[INDEX + b"status:" + status.encode()][ident] = created
        zsets[INDEX + b"kind:" + kind][ident] = created
        zsets[INDEX + b"target:" + row["target"].encode()][ident] = created
        if b"worker" in fields:
            zsets[INDEX + b"worker:" + fields[b"worker"]][ident] = created
        if b"expires_at" in fields:
            zsets[DUE][b"gone:" + ident] = int(fields[b"expires_at"])
        if status == "running":
            zsets[DUE][b"lease:" + ident] = int(fields[b"lease_until"])
            zsets[INDEX + b"running:" + kind][ident] = created
        elif status == "queued":
            if b"delayed" in fields:
                zsets[DUE][b"start:" + ident] = int(fields[b"ready_at"])
            elif b"waiting_for" not in fields:
                member = b"%016d:%b" % (created, ident)
                for index in (b"ready", b"ready:" + kind):
                    zsets[INDEX + index][member] = -int(fields.get(b"priority", 0))
        else:
            ended = row["finished_at"] or created
            zsets[INDEX + b"finished:" + status.encode()][ident] = ended
            duration = duration_of(row)
            if duration is not None:
                zsets[INDEX + b"durations"][ident] = duration
        if b"parent" in fields:
            zsets[INDEX + b"children:" + fields[b"parent"]][ident] = created
        for awaited in fields.get(b"waiting_for", b"").split():
            sets[INDEX + b"dependents:" + awaited].add(ident)
        if b"unique" in fields and status not in TERMINAL:
            unique[fields[b"unique"]] = ident
    return {**zsets, **sets, **({INDEX + b"unique": unique} if unique else {})}


def duration_of(row: dict[str, Any]) -> int | None:
    if not row["started_at"] or row["finished_at"] < row["started_at"]:
        return None
    return int(row["finished_at"] - row["started_at"])


def percentile(durations: list[int], percent: int) -> int | None:
    ordered = sorted(durations)
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def as_map(flat: list[Any]) -> dict[str, Any]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


class Jobs(RuleBasedStateMachine):
    jobs: Bundle[bytes] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.server = Recorded(NOW)
        # Worker, end and token of the last claim of each job, whether or not it has expired.
        self.leases: dict[bytes, tuple[str, int, bytes]] = {}
        # All tokens that were handed out, by job: only the last can be the holder's.
        self.tokens: dict[bytes, list[bytes]] = defaultdict(list)
        self.paused = False
        self.concurrency = 0
        # Whether `next` was deleted: the entry that it named stays in the agenda until its time.
        self.lost_plan = False
        self.start_counts: dict[bytes, int] = {}
        self.ended_rows: dict[bytes, bytes] = {}
        # Jobs without a TTL: only a command may remove them.
        self.must_exist: set[bytes] = set()
        # The last id that was generated.
        self.last = b""

    @property
    def now(self) -> int:
        return self.server.instance.keyspace.now

    def status(self, ident: bytes) -> str | None:
        row = self.server("JOB.GET", POOL, ident)
        return None if row is None else json.loads(row)["status"]

    def job_and_worker(self, ident: bytes, worker: str, pick: int) -> tuple[bytes, str]:
        """Pick a lease, expired or not; or keep this job and this worker."""
        if pick < 0 or not self.leases:
            return ident, worker
        ident = sorted(self.leases)[pick % len(self.leases)]
        return ident, self.leases[ident][0]

    def has_lease(self, ident: bytes, worker: str) -> bool:
        owner, until, _ = self.leases.get(ident, ("", 0, b""))
        return owner == worker and until > self.now

    def running(self) -> int:
        """How many jobs run under a lease that has not ended."""
        due = self.server("ZRANGE", DUE, f"({self.now}", "+inf", "BYSCORE")
        return sum(member.startswith(b"lease:") for member in due)

    # --- submitting ---------------------------------------------------------------------

    @initialize(target=jobs, options=st.lists(st.sampled_from([2, 3, 4]), min_size=4, max_size=6))
    def begin(self, options: list[int]) -> Any:
        """Submit some jobs, and claim most of them."""
        idents = [
            self.server("JOB.SUBMIT", POOL, "train", "spam", "{}", "ATTEMPTS", attempts)
            for attempts in options
        ]
        words: list[Word] = ["JOB.SUBMIT", POOL, "train", "ham", "{}"]
        idents += [self.server(*words, "AFTER", 2, *idents[:2])]
        self.must_exist.update(idents)
        idents += [self.server(*words, "TTL", 60, "PRIORITY", 5)]
        self.claim("w1", None, 2, 1000)
        self.claim("w2", None, 1, 40)
        return multiple(*idents)

    @rule(
        target=jobs,
        kind=kinds,
        priority=st.sampled_from([0, 0, 5, -1]),
        delay=st.sampled_from([0, 0, 0, 1, 50]),
        attempts=st.integers(1, 3),
        ttl=st.sampled_from([None, None, None, 60]),
        unique=st.sampled_from([None, None, "u1", "u2"]),
    )
    def submit(
        self, kind: str, priority: int, delay: int, attempts: int, ttl: int | None, unique: Any
    ) -> bytes:
        options: list[Word] = ["PRIORITY", priority, "DELAY", delay, "ATTEMPTS", attempts]
        holder = None
        if ttl is not None:
            options += ["TTL", ttl]
        if unique is not None:
            options += ["UNIQUE", unique]
            holder = self.server("HGET", INDEX + b"unique", unique)
        ident: bytes = self.server("JOB.SUBMIT", POOL, kind, "spam", "{}", *options)
        if holder is not None and self.status(holder) is not None:
            assert ident == holder
        elif ttl is None:
            self.must_exist.add(ident)
        return ident

    @rule(target=jobs, kind=kinds, awaited=st.lists(jobs, min_size=1, max_size=3))
    def submit_after(self, kind: str, awaited: list[bytes]) -> bytes:
        before = [self.status(ident) for ident in awaited]
        words: list[Word] = ["AFTER", len(awaited), *awaited]
        reply = self.server("JOB.SUBMIT", POOL, kind, "ham", "{}", *words)
        if None in before:
            assert isinstance(reply, Error) and reply.code == "NOTFOUND"
            return awaited[0]
        if {"failed", "cancelled"} & set(before):
            assert self.status(reply) == "cancelled"
        self.must_exist.add(reply)
        return bytes(reply)

    @rule(ident=jobs)
    def submit_again(self, ident: bytes) -> None:
        before = self.server("JOB.GET", POOL, ident)
        assert self.server("JOB.SUBMIT", POOL, "train", "spam", "{}", "ID", ident) == ident
        if before is None:
            self.forget(ident)
        else:
            assert self.server("JOB.GET", POOL, ident) == before

    # --- working ------------------------------------------------------------------------

    @rule(
        worker=workers,
        only=st.none() | kinds,
        count=st.integers(1, 3),
        lease=st.sampled_from([40, 1000]),
    )
    def claim(self, worker: str, only: str | None, count: int, lease: int) -> None:
        options: list[Word] = [] if only is None else ["KINDS", 1, only]
        options += ["LEASE", lease, "WITHTOKEN"]
        before = self.running()
        claims = self.server("JOB.CLAIM", POOL, worker, "COUNT", count, *options) or ()
        assert not (claims and self.paused)
        if self.concurrency and claims:
            assert before + len(claims) <= self.concurrency
        for flat in claims:
            given = as_map(flat)
            row = json.loads(given["row"])
            ident = row["id"].encode()
            assert self.leases.get(ident, ("", 0, b""))[1] <= self.now, (
                "a job was claimed during a lease"
            )
            assert ident not in self.ended_rows
            assert row["status"] == "running"
            self.start_counts[ident] = self.start_counts.get(ident, 0) + 1
            assert row["started_at"] == self.now
            assert only in (None, row["kind"])
            assert given["attempt"] == self.start_counts[ident]
            assert given["lease_until"] == self.now + lease
            assert given["token"] not in self.tokens[ident]
            self.tokens[ident].append(given["token"])
            self.leases[ident] = (worker, self.now + lease, given["token"])

    @rule(ident=jobs, what=st.sampled_from(["PROGRESS", "EXTEND", "COMPLETE", "FAIL", "RETRY"]))
    def report_with_a_token_of_an_earlier_claim(self, ident: bytes, what: str) -> None:
        tokens = self.tokens.get(ident, [])
        stale = tokens[:-1] if self.leases.get(ident, ("", 0, b""))[1] > self.now else tokens
        before = self.server("JOB.GET", POOL, ident)
        if not stale or before is None or ident in self.ended_rows:
            return
        words: dict[str, list[Word]] = {
            "PROGRESS": ["JOB.PROGRESS", POOL, ident, 5],
            "EXTEND": ["JOB.EXTEND", POOL, ident, "w1", 50],
            "COMPLETE": ["JOB.COMPLETE", POOL, ident],
            "FAIL": ["JOB.FAIL", POOL, ident, "late"],
            "RETRY": ["JOB.FAIL", POOL, ident, "late", "RETRY"],
        }
        reply = self.server(*words[what], "TOKEN", stale[-1])
        assert isinstance(reply, Error) and reply.code in ("NOTOWNER", "TERMINAL"), reply
        assert self.server("JOB.GET", POOL, ident) == before

    @rule(ident=jobs, worker=workers, pick=picks, percent=st.integers(0, 120))
    def progress(self, ident: bytes, worker: str, pick: int, percent: int) -> None:
        ident, worker = self.job_and_worker(ident, worker, pick)
        reply = self.server("JOB.PROGRESS", POOL, ident, percent, "WORKER", worker)
        if self.has_lease(ident, worker):
            assert reply == b"running"
            lease = int(self.server("HGET", JOB + ident, "lease"))
            _, end, token = self.leases[ident]
            self.leases[ident] = (worker, max(end, self.now + lease), token)
            assert json.loads(self.server("JOB.GET", POOL, ident))["progress"] == min(percent, 100)
        else:
            assert reply != b"running"

    @rule(ident=jobs, worker=workers, pick=picks, ms=st.sampled_from([1, 100]))
    def extend(self, ident: bytes, worker: str, pick: int, ms: int) -> None:
        ident, worker = self.job_and_worker(ident, worker, pick)
        reply = self.server("JOB.EXTEND", POOL, ident, worker, ms)
        if self.has_lease(ident, worker):
            assert reply == self.now + ms
            self.leases[ident] = (worker, self.now + ms, self.leases[ident][2])
        else:
            assert isinstance(reply, Error)
            assert reply.code in ("NOTOWNER", "TERMINAL", "NOTFOUND")

    @rule(ident=jobs, worker=workers, pick=picks)
    def complete(self, ident: bytes, worker: str, pick: int) -> None:
        ident, worker = self.job_and_worker(ident, worker, pick)
        has_lease, before = self.has_lease(ident, worker), self.server("JOB.GET", POOL, ident)
        words: list[Word] = ["METRICS", "[1]", "WORKER", worker]
        if has_lease:
            words += ["TOKEN", self.leases[ident][2]]
        reply = self.server("JOB.COMPLETE", POOL, ident, *words)
        if has_lease:
            assert reply == "OK"
            assert self.status(ident) == "completed"
            del self.leases[ident]
        else:
            assert self.server("JOB.GET", POOL, ident) == before

    @rule(ident=jobs, worker=workers, pick=picks, retry=st.booleans())
    def fail(self, ident: bytes, worker: str, pick: int, retry: bool) -> None:
        ident, worker = self.job_and_worker(ident, worker, pick)
        has_lease, before = self.has_lease(ident, worker), self.server("JOB.GET", POOL, ident)
        words = ["RETRY"] if retry else []
        reply = self.server("JOB.FAIL", POOL, ident, "oops", *words, "WORKER", worker)
        if has_lease:
            status = "failed" if reply == b"failed" else "queued"
            assert self.status(ident) == status
            assert retry or status == "failed"
            del self.leases[ident]
        else:
            assert self.server("JOB.GET", POOL, ident) == before

    @rule(ident=jobs)
    def cancel(self, ident: bytes) -> None:
        before = self.status(ident)
        reply = self.server("JOB.CANCEL", POOL, ident)
        assert reply == (before in ("queued", "running"))
        if reply:
            assert self.status(ident) == "cancelled"
            self.leases.pop(ident, None)

    @rule(ident=jobs)
    def retry(self, ident: bytes) -> None:
        before = self.status(ident)
        unique = self.server("HGET", JOB + ident, "unique")
        holder = unique and self.server("HGET", INDEX + b"unique", unique)
        reply = self.server("JOB.RETRY", POOL, ident)
        if before is None:
            assert reply.code == "NOTFOUND"
        elif before not in TERMINAL:
            assert reply == 0
        elif holder and self.status(holder) not in (None, *TERMINAL):
            assert reply.code == "ERR"
        else:
            assert reply == 1
            assert self.status(ident) == "queued"
            del self.ended_rows[ident]

    @rule(target=jobs, parent=jobs, kind=kinds)
    def submit_child(self, parent: bytes, kind: str) -> bytes:
        status = self.status(parent)
        reply = self.server("JOB.SUBMIT", POOL, kind, "spam", "{}", "PARENT", parent)
        if status is None or status in TERMINAL:
            assert reply.code == ("NOTFOUND" if status is None else "TERMINAL")
            return parent
        self.must_exist.add(reply)
        assert reply in self.server("HGET", JOB + parent, "waiting_for").split()
        return bytes(reply)

    @rule(target=jobs, number=st.integers(1, 3), kind=kinds)
    def submit_together(self, number: int, kind: str) -> Any:
        texts = [
            json.dumps({"kind": kind, "target": "spam", "spec": {}, "priority": priority})
            for priority in range(number)
        ]
        idents = self.server("JOB.MSUBMIT", POOL, *texts)
        self.must_exist.update(idents)
        return multiple(*idents)

    # --- the pool -------------------------------------------------------------------------

    @rule(pause=st.booleans())
    def pause_or_resume(self, pause: bool) -> None:
        name = "JOB.PAUSE" if pause else "JOB.RESUME"
        assert self.server(name, POOL) == (pause != self.paused)
        self.paused = pause

    @rule(most=st.sampled_from([0, 1, 3]))
    def limit(self, most: int) -> None:
        words: list[Word] = ["CONCURRENCY", most] if most else []
        assert self.server("JOB.LIMIT", POOL, *words) == "OK"
        self.concurrency = most

    @rule(count=st.integers(1, 3))
    def retain(self, count: int) -> None:
        """Of the ended jobs the newest are kept, and no other is removed."""
        self.server.sweep()
        contents = self.server.contents()
        rows = [json.loads(v[b"row"]) for k, v in contents.items() if k.startswith(JOB)]
        ended = sorted(
            (row["finished_at"] or row["created_at"], row["id"].encode())
            for row in rows
            if row["status"] in TERMINAL
        )
        self.server("JOB.RETAIN", POOL, "COUNT", count)
        self.server.sweep()
        for _, ident in ended[: max(0, len(ended) - count)]:
            assert self.status(ident) is None
            self.forget(ident)
        self.server("JOB.RETAIN", POOL, "COUNT", 0, "AGE", 0)

    @rule(every=st.sampled_from([0, 50, 1000]))
    def schedule(self, every: int) -> None:
        if every:
            words: list[Word] = ["EVERY", every, "train", "spam", "{}", "UNIQUE", "u3"]
            assert self.server("JOB.SCHEDULE", POOL, "s", *words) == "OK"
        else:
            there = self.server("HEXISTS", INDEX + b"schedules", "s")
            assert self.server("JOB.UNSCHEDULE", POOL, "s") == there

    @rule(ident=jobs, swept=st.booleans())
    def delete_the_key_of_a_job(self, ident: bytes, swept: bool) -> None:
        """The patrol and the sweep make of it what JOB.DEL would have."""
        if self.server("DEL", JOB + ident):
            self.forget(ident)
            # Those that wait for it are cancelled, and those that wait for them.
            for _ in range(len(self.server.contents())):
                patrol(self.server, 1)
                self.server.sweep()
                if not self.is_awaited_in_vain():
                    break
            patrol(self.server, 1)

    def is_awaited_in_vain(self) -> bool:
        contents = self.server.contents()
        return any(
            JOB + awaited not in contents
            for key, fields in contents.items()
            if key.startswith(JOB)
            for awaited in fields.get(b"waiting_for", b"").split()
        )

    @rule(pick=st.integers(0, 30))
    def delete_an_index(self, pick: int) -> None:
        spared = (INDEX + b"last", INDEX + b"config", INDEX + b"schedules")
        keys = sorted(
            key
            for key in self.server.contents()
            if not key.startswith(JOB) and key not in spared and key != INDEX + b"rates"
        )
        if keys:
            key = keys[pick % len(keys)]
            assert self.server("DEL", key) == 1
            self.lost_plan |= key == INDEX + b"next"
            patrol(self.server, 2)

    # --- rows -----------------------------------------------------------------------------

    @rule(ident=jobs, status=st.sampled_from(STATUSES))
    def put(self, ident: bytes, status: str) -> None:
        before = self.server("JOB.GET", POOL, ident)
        row = {
            "id": ident.decode(),
            "kind": "train",
            "target": "eggs",
            "status": status,
            "progress": 7,
            "created_at": NOW,
            "started_at": 0 if status == "queued" else NOW,
            "finished_at": NOW + 5 if status in TERMINAL else 0,
            "error": None,
            "spec": "{}",
            "metrics": None,
        }
        if before is None:
            # An expired job may still be stored; what is put is a new job.
            self.forget(ident)
        else:
            row = json.loads(before) | {"status": status}
        if status == "queued":
            row |= {"progress": 0, "started_at": 0}
        reply = self.server("JOB.PUT", POOL, ident, json.dumps(row))
        if before is not None and json.loads(before)["status"] in TERMINAL:
            assert reply == "OK" if row == json.loads(before) else reply.code == "TERMINAL"
            return
        assert reply == "OK"
        assert json.loads(self.server("JOB.GET", POOL, ident)) == row
        was = None if before is None else json.loads(before)["status"]
        if status == "running" and was != "running":
            self.start_counts[ident] = self.start_counts.get(ident, 0) + 1
        if status != "running":
            self.leases.pop(ident, None)

    @rule(ident=jobs)
    def delete(self, ident: bytes) -> None:
        there = self.status(ident) is not None
        assert self.server("JOB.DEL", POOL, ident) == there
        if there:
            self.forget(ident)

    @rule(older=moments)
    def prune(self, older: int) -> None:
        gone = self.server("JOB.PRUNE", POOL, "OLDER", older)
        count = 0
        for ident, row in list(self.ended_rows.items()):
            values = json.loads(row)
            if (values["finished_at"] or values["created_at"]) <= self.now - older:
                count += 1
                self.forget(ident)
        assert gone == count

    def forget(self, ident: bytes) -> None:
        self.tokens.pop(ident, None)
        self.must_exist.discard(ident)
        self.start_counts.pop(ident, None)
        self.ended_rows.pop(ident, None)
        self.leases.pop(ident, None)

    # --- time and restarts ----------------------------------------------------------------

    @rule(
        ms=st.sampled_from([1, 39, 40, 60, 1000, 2000, 100_000]),
        swept=st.sampled_from([False, False, True]),
    )
    def advance(self, ms: int, swept: bool) -> None:
        self.server.advance(ms)
        if swept:
            self.server.sweep()

    @rule(ms=st.sampled_from([1, 50, 5000]))
    def set_the_clock_back(self, ms: int) -> None:
        """Leases last longer then, also those that were over, unless that was acted on."""
        self.server.advance(-ms)
        for ident, (_, _, token) in list(self.leases.items()):
            stored = self.server("HGET", JOB + ident, "token")
            if self.status(ident) != "running" or stored != token:
                del self.leases[ident]

    @rule(from_log=st.booleans())
    def restart(self, from_log: bool) -> None:
        fresh = Recorded(self.now)
        if from_log:
            fresh.replay(self.server.take_log())
        else:
            restore(fresh, self.server.contents())
        assert fresh("DEBUG", "DIGEST") == self.server("DEBUG", "DIGEST")
        self.server = fresh

    # --- invariants -------------------------------------------------------------------------

    @invariant()
    def keys_agree_with_the_model(self) -> None:
        contents = self.server.contents()
        jobs = {k[len(JOB) :]: v for k, v in contents.items() if k.startswith(JOB)}
        indexes = {key: value for key, value in contents.items() if not key.startswith(JOB)}
        config = indexes.pop(INDEX + b"config", {})
        assert (b"paused" in config) == self.paused
        self.check_that_jobs_exist_and_ended_rows_stay(jobs)
        for ident, fields in jobs.items():
            self.check_facts(ident, fields)
        last = indexes.pop(INDEX + b"last", b"")
        assert not jobs or last >= self.last
        self.last = last
        self.check_agenda(indexes)
        schedules = indexes.pop(INDEX + b"schedules", {})
        planned = {
            b"schedule:" + name: json.loads(text)["next"] for name, text in schedules.items()
        }
        if DUE in indexes:
            indexes[DUE].pop(b"retain", None)
            for due, moment in planned.items():
                assert indexes[DUE].pop(due) == moment
            if not indexes[DUE]:
                del indexes[DUE]
        assert indexes == expected_indexes(jobs)
        self.check_figures([json.loads(fields[b"row"]) for fields in jobs.values()])

    def check_agenda(self, indexes: dict[bytes, Any]) -> None:
        """The pool is planned no later than the first that is due, in one place."""
        planned = indexes.pop(INDEX + b"next", None)
        agenda = {key for key in indexes if key.startswith(b"redkeep:jobs:due:")}
        for key in agenda:
            assert indexes.pop(key) == b""
        expected = {b"redkeep:jobs:due:%020d:{work}" % int(planned)} if planned else set()
        assert agenda == expected or (self.lost_plan and agenda > expected)
        due = indexes.get(DUE)
        if due:
            assert planned is not None and int(planned) <= min(due.values())

    def check_that_jobs_exist_and_ended_rows_stay(self, jobs: dict[bytes, Any]) -> None:
        assert self.must_exist <= set(jobs)
        for ident in {*self.ended_rows, *self.start_counts} - set(jobs):
            # Only a TTL can have removed it.
            assert ident not in self.must_exist
            self.forget(ident)
        for ident, fields in jobs.items():
            row = fields[b"row"]
            if ident in self.ended_rows:
                assert self.ended_rows[ident] == row
            elif json.loads(row)["status"] in TERMINAL:
                self.ended_rows[ident] = row
                self.leases.pop(ident, None)

    def check_facts(self, ident: bytes, fields: dict[bytes, bytes]) -> None:
        row = json.loads(fields[b"row"])
        status, lease = row["status"], self.leases.get(ident)
        started = int(fields.get(b"attempts", 0))
        assert started == self.start_counts.get(ident, 0)
        assert started <= int(fields.get(b"max_attempts", 3)) or status != "queued"
        if lease is not None and lease[1] > self.now:
            stored = (*(fields[b"worker"].decode(), int(fields[b"lease_until"]), fields[b"token"]),)
            assert (status, stored) == ("running", lease)
        elif status == "running" and int(fields[b"lease_until"]) > self.now:
            assert b"worker" not in fields, "a lease that no claim returned"
        if status == "queued":
            assert (row["progress"], row["started_at"]) == (0, 0)
            assert not {b"worker", b"lease", b"lease_until"} & set(fields)
        else:
            assert not {b"delayed"} & set(fields)
            assert b"waiting_for" not in fields or status == "running"
        ttl_runs = status != "running" and not {b"delayed", b"waiting_for"} & set(fields)
        assert (b"expires_at" in fields) == (b"ttl" in fields and ttl_runs)

    def check_figures(self, rows: list[dict[str, Any]]) -> None:
        figures = as_map(self.server("JOB.STATS", POOL))
        by_status = Counter(row["status"] for row in rows)
        by_kind = Counter(row["kind"] for row in rows)
        queued = [row["created_at"] for row in rows if row["status"] == "queued"]
        durations = [
            duration
            for row in rows
            if row["status"] in TERMINAL and (duration := duration_of(row)) is not None
        ]
        assert figures["total"] == len(rows)
        assert as_map(figures["status"]) == {name: by_status[name] for name in STATUSES}
        assert as_map(figures["kind"]) == by_kind
        assert figures["oldest_queued_ms"] == (max(0, self.now - min(queued)) if queued else None)
        assert as_map(figures["duration_ms"]) == {
            f"p{percent}": percentile(durations, percent) for percent in (50, 95, 99)
        }

    def teardown(self) -> None:
        """Every job can still be ended: claim and complete until none is left."""
        self.server("JOB.RESUME", POOL)
        self.server("JOB.LIMIT", POOL)
        self.server("JOB.UNSCHEDULE", POOL, "s")
        for _ in range(100):
            self.server.advance(100_000)
            self.server.sweep()
            rows = self.server("JOB.CLAIM", POOL, "w", "COUNT", 1000)
            for row in rows or ():
                self.server("JOB.COMPLETE", POOL, json.loads(row)["id"], "WORKER", "w")
            if not rows:
                break
        figures = as_map(as_map(self.server("JOB.STATS", POOL))["status"])
        assert (figures["queued"], figures["running"]) == (0, 0)


def test_jobs_stay_consistent_under_random_work() -> None:
    run_state_machine_as_test(Jobs, settings=QUICK)


@pytest.mark.deep
def test_jobs_stay_consistent_under_long_random_work() -> None:
    run_state_machine_as_test(Jobs, settings=DEEP)
