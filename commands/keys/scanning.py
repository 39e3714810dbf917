"""SCAN: iterating over the keys of a database."""

from __future__ import annotations

from commands.engine.grammar import Integer, Pattern, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.engine.scan_options import parse_cursor, parse_scan_options
from commands.instance.context import Context
from storage.values.types import type_name


@command(
    "SCAN",
    group="generic",
    since="2.8.0",
    flags="readonly",
    complexity="O(1) per call, O(N) for a complete iteration over N keys.",
    summary="Iterates over the keys of the database, a few per call.",
    arguments=[
        Integer("cursor"),
        Pattern("pattern", "MATCH", optional=True),
        Integer("count", "COUNT", optional=True),
        String("type", "TYPE", optional=True, since="6.0.0"),
    ],
    tips=["nondeterministic_output", "request_policy:special", "response_policy:special"],
    history=[("6.0.0", "Accepts `TYPE`.")],
)
def scan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[1])
    options = parse_scan_options(argv, 2, typed=True)
    db = ctx.db
    cursor, keys = db.scan(cursor, options.count)
    keys = options.pick(keys)
    wanted = None if options.kind is None else options.kind.decode("latin-1")
    found = []
    for key in keys:
        value = db.peek(key)
        if value is None:
            # Expired: fetching removes it.
            db.fetch(key)
        elif wanted is None or type_name(value) == wanted:
            found.append(key)
    return [b"%d" % cursor, found]
