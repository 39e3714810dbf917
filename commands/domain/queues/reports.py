"""QUEUE.ACK, QUEUE.NACK and QUEUE.EXTEND: what a consumer reports about a message.

A message is named by the token of its delivery, or by its id. A token is refused once the message
was delivered again. Without one, an ACK is always taken, because the work is done, whoever says
so; a NACK only if there can be no doubt who holds the message.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_integer, call_score, call_text, call_values, write
from commands.domain.queues.config import read_config
from commands.domain.queues.confirming import Settling, wake_readers
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import find_pending
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import Named, parse_named, parse_token
from commands.domain.queues.tokens import check_number, check_token, in_doubt, not_held
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@dataclass(slots=True)
class Nack:
    queue: bytes
    group: bytes
    id_or_token: Named
    delay: int = 0


@command(
    "QUEUE.NACK",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for N messages that are leased.",
    summary="Returns a message unfinished, for delivery at once or after a delay.",
    arguments=[
        Key("queue", "RW update"),
        String("group"),
        String("id-or-token", convert=parse_named),
        Milliseconds("milliseconds", "DELAY", low=0),
    ],
    request=Nack,
)
def queue_nack(ctx: Context, request: Nack) -> Reply:
    """Returns 1, or 0 if the message is not delivered to the group.

    A message that was delivered as often as MAXDELIVERIES allows becomes a dead letter instead.
    A token that is out of date is refused with NOTOWNER; so is an id if the message was
    delivered more than once and is leased, because then another consumer may hold it.

        > QUEUE.NACK letters workers 1700000000000-0 DELAY 1000
        (integer) 1
    """
    queue, group, named = Queue(request.queue), request.group, request.id_or_token
    settling = Settling(ctx, queue, group)
    config, entry = read_config(ctx, queue), queue.agenda(ctx)
    member = named.text
    if call_score(ctx, b"ZSCORE", queue.dead(group), member) is not None:
        return 0
    pending = settling.pending(named.id)
    if pending is None or not pending.deliveries:
        return 0
    if named.secret is not None:
        check_token(queue, group, named, call_text(ctx, b"HGET", queue.tokens(group), member))
    elif pending.deliveries > 1:
        lease = call_score(ctx, b"ZSCORE", queue.leases(group), member)
        if lease is not None and lease > ctx.now:
            raise in_doubt(queue, group, named)
    if pending.used_up(config.max_deliveries):
        settling.bury(named.id)
        settling.write(entry)
        return 1
    if request.delay:
        moment = ctx.now + request.delay
        write(ctx, b"ZADD", queue.returned(group), b"%d" % moment, member)
        write(ctx, b"ZREM", queue.leases(group), member)
        entry.plan(ctx, moment)
    else:
        write(ctx, b"ZADD", queue.leases(group), b"0", member)
        write(ctx, b"ZREM", queue.returned(group), member)
        wake_readers(ctx, queue)
    announce(ctx, queue, "returned", group=text(group), id=text(member), delay=request.delay)
    return 1


@dataclass(slots=True)
class Ack:
    queue: bytes
    group: bytes
    id_or_token: list[Named]


@command(
    "QUEUE.ACK",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(G*log(N)) for each message, with G groups and N messages that are leased.",
    summary="Confirms messages that a group has processed.",
    arguments=[
        Key("queue", "RW update delete"),
        String("group"),
        String("id-or-token", multiple=True, convert=parse_named),
    ],
    request=Ack,
)
def queue_ack(ctx: Context, request: Ack) -> Reply:
    """Returns how many of the messages were delivered and unconfirmed, dead letters included.

    A message that all groups have confirmed is deleted. A token that is out of date, because
    the message was delivered again, is refused with NOTOWNER, and then nothing is confirmed. An
    id is always accepted. A request names up to 200 messages.

        > QUEUE.ACK letters workers 1700000000000-0
        (integer) 1
    """
    queue, group = Queue(request.queue), request.group
    check_number(len(request.id_or_token))
    settling = Settling(ctx, queue, group)
    for level in {named.id.level for named in request.id_or_token}:
        call_integer(ctx, b"XLEN", queue.stream(level))  # raises WrongType before any write
    entry = queue.agenda(ctx)
    named_by_id = {named.id: named for named in request.id_or_token}
    members = [message.text for message in named_by_id]
    secrets = dict(
        zip(members, call_values(ctx, b"HMGET", queue.tokens(group), *members), strict=True)
    )
    pending = {message for message in named_by_id if settling.pending(message) is not None}
    for named in request.id_or_token:
        if named.id in pending:
            check_token(queue, group, named, secrets[named.text])
    for message in named_by_id:
        if message in pending:
            settling.confirm(message)
    if pending:
        settling.write(entry)
        ids = [text(message.text) for message in settling.confirmed]
        announce(ctx, queue, "acknowledged", group=text(group), ids=ids)
    return len(pending)


@dataclass(slots=True)
class Extend:
    queue: bytes
    group: bytes
    token: Named
    ms: int


@command(
    "QUEUE.EXTEND",
    group="queue",
    since="0.1.0",
    flags="write fast",
    complexity="O(log(N)) for N messages that are leased.",
    summary="Renews the lease of a message.",
    arguments=[
        Key("queue", "RW access update"),
        String("group"),
        String("token", convert=parse_token),
        Milliseconds("ms"),
    ],
    request=Extend,
)
def queue_extend(ctx: Context, request: Extend) -> Reply:
    """Returns when the lease ends now: `ms` milliseconds from now.

    The token is the one that QUEUE.READ returned. NOTOWNER if the lease has ended, the message
    was returned or confirmed, or another consumer holds it.

        > QUEUE.PUSH films reel
        "1700000000000-0"
        > QUEUE.READ films cutters c1
        1)  1) "id"
            2) "1700000000000-0"
            3) "payload"
            4) "reel"
            5) "priority"
            6) (integer) 0
            7) "attempt"
            8) (integer) 1
            9) "token"
           10) "<token>"
           11) "lease_until"
           12) (integer) 1700000030000
        > QUEUE.EXTEND films cutters <token> 60000
        (integer) 1700000060000
    """
    queue, group, named = Queue(request.queue), request.group, request.token
    lease = call_score(ctx, b"ZSCORE", queue.leases(group), named.text)
    if lease is None or lease <= 0 or find_pending(ctx, queue, group, named.id) is None:
        raise not_held(queue, group, named)
    check_token(queue, group, named, call_text(ctx, b"HGET", queue.tokens(group), named.text))
    entry = queue.agenda(ctx)
    until = ctx.now + request.ms
    write(ctx, b"ZADD", queue.leases(group), b"%d" % until, named.text)
    entry.plan(ctx, until)
    return until
