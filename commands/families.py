"""The modules that declare commands, in the order in which the reference lists them."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from commands.engine.registry import Command, commands
from commands.instance.instance import Instance
from commands.settings.settings import Settings
from storage.clock import Clock

FAMILIES = (
    "sessions.connection",
    "sessions.clients",
    "sessions.tracking",
    "sessions.waiting",
    "keys.keys",
    "keys.objects",
    "keys.dumping",
    "keys.expiry",
    "keys.scanning",
    "keys.sorting",
    "strings.strings",
    "strings.counters",
    "strings.editing",
    "strings.subsequences",
    "strings.bitmaps",
    "strings.bitfields",
    "hashes.hashes",
    "hashes.field_expiry",
    "hashes.fields_with_expiry",
    "lists.lists",
    "lists.multi_pop",
    "lists.positions",
    "lists.moving",
    "lists.blocking",
    "sets.sets",
    "sets.algebra",
    "sorted_sets.sorted_sets",
    "sorted_sets.ranges",
    "sorted_sets.algebra",
    "sorted_sets.blocking",
    "strings.hyperloglogs",
    "sorted_sets.geo",
    "sorted_sets.geo_search",
    "streams.streams",
    "streams.reading",
    "streams.groups",
    "streams.claims",
    "streams.info",
    "sessions.pubsub",
    "sessions.transactions",
    "acl.users",
    "acl.inspecting",
    "scripting.eval",
    "scripting.fcall",
    "operator.introspection",
    "operator.info",
    "operator.configuration",
    "operator.diagnostics",
    "operator.debugging",
    "operator.memory",
    "operator.administration",
    "operator.persistence",
    "operator.clustering",
    "domain.jobs.footprint",
    "domain.jobs.submitting",
    "domain.jobs.jobs",
    "domain.jobs.claims",
    "domain.jobs.working",
    "domain.jobs.reports",
    "domain.jobs.logs",
    "domain.jobs.pools",
    "domain.jobs.schedules",
    "domain.jobs.healing",
    "domain.models.footprint",
    "domain.models.models",
    "domain.models.notes",
    "domain.models.aliases",
    "domain.models.pieces",
    "domain.models.reading",
    "domain.models.raw_rows",
    "domain.models.healing",
    "domain.ml.footprint",
    "domain.ml.ml",
    "domain.checkpoints.footprint",
    "domain.checkpoints.checkpoints",
    "domain.checkpoints.reading",
    "domain.checkpoints.threads",
    "domain.checkpoints.listing",
    "domain.checkpoints.searching",
    "domain.checkpoints.writes",
    "domain.checkpoints.healing",
    "domain.store.footprint",
    "domain.store.store",
    "domain.store.facts",
    "domain.store.listing",
    "domain.store.namespaces",
    "domain.store.search",
    "domain.store.indexing",
    "domain.store.near",
    "domain.queues.footprint",
    "domain.queues.pushing",
    "domain.queues.reading",
    "domain.queues.reports",
    "domain.queues.dead_letters",
    "domain.queues.info",
    "domain.queues.config",
    "domain.queues.queues",
    "domain.queues.presence",
    "domain.queues.healing",
)


@cache
def load() -> dict[str, Command]:
    """Import every family; return all top-level commands by upper-case name."""
    for name in FAMILIES:
        import_module(f"commands.{name}")
    return commands()


def open_instance(settings: Settings | None = None, clock: Clock | None = None) -> Instance:
    """An instance that knows every command and has its users; UserFileError if it cannot."""
    load()
    instance = Instance(settings, clock)
    instance.users.load_at_start()
    return instance
