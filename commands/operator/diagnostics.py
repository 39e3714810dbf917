"""SLOWLOG, COMMANDLOG and LATENCY: slow commands, and large requests and replies."""

from __future__ import annotations

from commands.engine.containers import container
from commands.engine.errors import CommandError
from commands.engine.grammar import Integer, OneOf, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command, commands
from commands.engine.replies import OK, MapReply, Reply, Verbatim
from commands.instance.context import Context
from commands.instance.latency import LatencyEvent
from commands.instance.slow_log import SlowLog
from commands.instance.statistics import CallStatistics

_ADMIN = "admin loading stale"
_DEFAULT_COUNT = 10
_ON_ALL_NODES = ["request_policy:all_nodes", "nondeterministic_output"]
_SUMMED = ["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"]
_TO_ALL_NODES = ["request_policy:all_nodes", "response_policy:all_succeeded"]
_SPECIAL = ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]


# --- SLOWLOG and COMMANDLOG -------------------------------------------------------------

container(
    "SLOWLOG",
    group="server",
    since="2.2.12",
    help_since="6.2.0",
    summary="Contains commands for the slow log.",
)


@command(
    "SLOWLOG GET",
    group="server",
    since="2.2.12",
    flags=_ADMIN,
    complexity="O(N) for N entries returned",
    summary="Returns the latest entries of the slow log.",
    arguments=[Integer("count", optional=True)],
    tips=_ON_ALL_NODES,
)
def slowlog_get(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try SLOWLOG HELP."
            % argv[1][:128]
        )
    count = _DEFAULT_COUNT if len(argv) == 2 else _entry_count(argv[2])
    return _entries(ctx.instance.slowlog, count)


@command(
    "SLOWLOG LEN",
    group="server",
    since="2.2.12",
    flags=_ADMIN,
    summary="Counts the entries of the slow log.",
    tips=_SUMMED,
)
def slowlog_len(ctx: Context, argv: list[bytes]) -> Reply:
    return len(ctx.instance.slowlog.entries)


@command(
    "SLOWLOG RESET",
    group="server",
    since="2.2.12",
    flags=_ADMIN,
    complexity="O(N) for N entries",
    summary="Deletes what the slow log has recorded.",
    tips=_TO_ALL_NODES,
)
def slowlog_reset(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.slowlog.clear()
    return OK


container(
    "COMMANDLOG",
    group="server",
    since="8.1.0",
    summary="Contains commands for the logs of slow commands and large messages.",
)

_LOG_TYPE = OneOf("type", Token("SLOW"), Token("LARGE-REQUEST"), Token("LARGE-REPLY"))


@command(
    "COMMANDLOG GET",
    group="server",
    since="8.1.0",
    flags=_ADMIN,
    complexity="O(N) for N entries returned",
    summary="Returns the latest entries of a log.",
    arguments=[Integer("count"), _LOG_TYPE],
    tips=_ON_ALL_NODES,
)
def commandlog_get(ctx: Context, argv: list[bytes]) -> Reply:
    count = _entry_count(argv[2])
    return _entries(_log(ctx, argv[3]), count)


@command(
    "COMMANDLOG LEN",
    group="server",
    since="8.1.0",
    flags=_ADMIN,
    summary="Counts the entries of one of the logs.",
    arguments=[_LOG_TYPE],
    tips=_SUMMED,
)
def commandlog_len(ctx: Context, argv: list[bytes]) -> Reply:
    return len(_log(ctx, argv[2]).entries)


@command(
    "COMMANDLOG RESET",
    group="server",
    since="8.1.0",
    flags=_ADMIN,
    complexity="O(N) for N entries",
    summary="Deletes what one of the logs has recorded.",
    arguments=[_LOG_TYPE],
    tips=_TO_ALL_NODES,
)
def commandlog_reset(ctx: Context, argv: list[bytes]) -> Reply:
    _log(ctx, argv[2]).clear()
    return OK


def _log(ctx: Context, kind: bytes) -> SlowLog:
    instance = ctx.instance
    match kind.upper():
        case b"SLOW":
            return instance.slowlog
        case b"LARGE-REQUEST":
            return instance.large_requests
        case b"LARGE-REPLY":
            return instance.large_replies
        case _:
            raise CommandError(
                "ERR type should be one of the following: slow, large-request, large-reply"
            )


def _entry_count(text: bytes) -> int:
    count = parse_integer(text, "ERR count should be greater than or equal to -1")
    if count < -1:
        raise CommandError("ERR count should be greater than or equal to -1")
    return count


def _entries(log: SlowLog, count: int) -> Reply:
    entries = list(log.entries)
    if count != -1:
        entries = entries[:count]
    return [
        [
            entry.id,
            entry.at_seconds,
            entry.microseconds,
            list(entry.argv),
            entry.address,
            entry.name,
        ]
        for entry in entries
    ]


# --- LATENCY ----------------------------------------------------------------------------

_MONITORED = "admin noscript loading stale"

container(
    "LATENCY", group="server", since="2.8.13", summary="Contains commands for the latency monitor."
)


@command(
    "LATENCY LATEST",
    group="server",
    since="2.8.13",
    flags=_MONITORED,
    summary="Returns the latest and the worst sample of each event.",
    tips=_SPECIAL,
)
def latency_latest(ctx: Context, argv: list[bytes]) -> Reply:
    return [
        [name.encode(), *event.samples[-1], event.worst_ms]
        for name, event in ctx.instance.latency.events.items()
    ]


@command(
    "LATENCY HISTORY",
    group="server",
    since="2.8.13",
    flags=_MONITORED,
    summary="Returns the samples of an event with their times.",
    arguments=[String("event")],
    tips=_SPECIAL,
)
def latency_history(ctx: Context, argv: list[bytes]) -> Reply:
    event = _event(ctx, argv[2])
    return [list(sample) for sample in event.samples] if event is not None else []


@command(
    "LATENCY RESET",
    group="server",
    since="2.8.13",
    flags=_MONITORED,
    summary="Deletes the samples of the named events, or of all.",
    arguments=[String("event", optional=True, multiple=True)],
    tips=["request_policy:all_nodes", "response_policy:agg_sum"],
)
def latency_reset(ctx: Context, argv: list[bytes]) -> Reply:
    names = [name.decode("latin-1") for name in argv[2:]]
    return ctx.instance.latency.reset(names or None)


@command(
    "LATENCY GRAPH",
    group="server",
    since="2.8.13",
    flags=_MONITORED,
    summary="Draws a graph of the samples of an event.",
    arguments=[String("event")],
    tips=_SPECIAL,
)
def latency_graph(ctx: Context, argv: list[bytes]) -> Reply:
    event = _event(ctx, argv[2])
    if event is None:
        raise CommandError(b"ERR No samples available for event '%b'" % argv[2])
    samples = list(event.samples)[-_GRAPH_WIDTH:]
    times = [milliseconds for _, milliseconds in samples]
    title = b"%b - high %d ms, low %d ms (all time high %d ms)" % (
        argv[2],
        max(times),
        min(times),
        event.worst_ms,
    )
    ages = [_age(ctx.now // 1000 - at) for at, _ in samples]
    lines = [title, b"-" * _GRAPH_WIDTH, *_columns(times), *_vertical_labels(ages)]
    return Verbatim(b"\n".join(lines) + b"\n")


@command(
    "LATENCY DOCTOR",
    group="server",
    since="2.8.13",
    flags=_MONITORED,
    summary="Describes the samples and suggests remedies.",
    tips=_SPECIAL,
)
def latency_doctor(ctx: Context, argv: list[bytes]) -> Reply:
    latency = ctx.instance.latency
    if not latency.threshold_ms:
        text = (
            "The latency monitor is off. Turn it on with CONFIG SET "
            "latency-monitor-threshold <milliseconds>.\n"
        )
    elif not latency.events:
        text = f"No event took {latency.threshold_ms} ms or longer.\n"
    else:
        lines = [f"Events that took {latency.threshold_ms} ms or longer:", ""]
        for name, event in latency.events.items():
            times = [milliseconds for _, milliseconds in event.samples]
            mean = sum(times) / len(times)
            lines.append(
                f"{name}: {len(times)} samples, mean {mean:.0f} ms, worst {event.worst_ms} ms."
            )
            lines += _ADVICE.get(name, [])
        text = "\n".join(lines) + "\n"
    return Verbatim(text.encode())


_ADVICE = {
    "command": [
        "  Slow commands blocked the server. SLOWLOG GET lists them. Iterate over large keys",
        "  with SCAN, HSCAN, SSCAN or ZSCAN, and request ranges instead of whole values.",
    ],
    "fast-command": [
        "  Commands that are normally fast were slow. Either the process did not get enough",
        "  CPU time, or the garbage collector ran. Check the machine for other load.",
    ],
    "expire-cycle": ["  Many keys expired at the same time. Spread their expiration times."],
}


def _event(ctx: Context, name: bytes) -> LatencyEvent | None:
    return ctx.instance.latency.events.get(name.decode("latin-1"))


_GRAPH_WIDTH = 80
_GRAPH_HEIGHT = 4


def _columns(times: list[int]) -> list[bytes]:
    """Draw one column per time, scaled between the lowest and the highest."""
    low, high = min(times), max(times)
    span = high - low or 1
    heights = [1 + (time - low) * (_GRAPH_HEIGHT * 2 - 1) // span for time in times]
    return [
        b"".join(
            b"#" if height >= row * 2 else b"_" if height == row * 2 - 1 else b" "
            for height in heights
        )
        for row in range(_GRAPH_HEIGHT, 0, -1)
    ]


def _vertical_labels(labels: list[str]) -> list[bytes]:
    """Return a blank line, then one column per label, read from the top down."""
    longest = max(map(len, labels))
    padded = [label.ljust(longest) for label in labels]
    lines = ["".join(label[place] for label in padded).encode() for place in range(longest)]
    return [b" " * len(labels), *lines]


def _age(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"


# --- LATENCY HISTOGRAM ------------------------------------------------------------------


@command(
    "LATENCY HISTOGRAM",
    group="server",
    since="7.0.0",
    flags=_MONITORED,
    complexity="O(N) for N commands that were called",
    summary="Returns a histogram of execution times for each command.",
    arguments=[String("command", optional=True, multiple=True)],
    tips=_SPECIAL,
)
def latency_histogram(ctx: Context, argv: list[bytes]) -> Reply:
    if not ctx.instance.settings.latency_tracking:
        return {}
    used = [bound for bound in ctx.instance.used_commands if bound.stats.calls]
    if len(argv) > 2:
        wanted = {name.lower().decode("latin-1") for name in argv[2:]}
        # The name of a container selects its subcommands.
        wanted |= {
            subcommand.wire_name
            for entry in commands().values()
            if entry.wire_name in wanted
            for subcommand in entry.subcommands.values()
        }
        used = [bound for bound in used if bound.command.wire_name in wanted]
    return {
        bound.command.wire_name.encode(): {
            b"calls": bound.stats.calls,
            b"histogram_usec": _cumulative(bound.stats),
        }
        for bound in used
    }


def _cumulative(stats: CallStatistics) -> MapReply:
    """Map bucket limits in microseconds to the number of calls that took no longer.

    Durations are counted by powers of two nanoseconds, so a limit of 2^n microseconds
    stands for 2^(n+10) nanoseconds, which is 2.4% more.
    """
    buckets: dict[int, int] = {}
    calls = 0
    for place, count in enumerate(stats.histogram):
        if count:
            calls += count
            buckets[1 << max(0, place - 10)] = calls
    return MapReply(list(buckets.items()))
