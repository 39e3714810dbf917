"""The modules that declare commands, in the order in which the reference lists them."""

from importlib import import_module

FAMILIES = (
    "connection",
    "clients",
    "waiting",
    "keys",
    "objects",
    "dumping",
    "expiry",
    "scanning",
    "sorting",
    "strings",
    "counters",
    "string_editing",
    "subsequences",
    "bitmaps",
    "bitfields",
    "hashes",
    "hash_expiry",
    "lists",
    "list_blocking",
    "sets",
    "set_algebra",
    "sorted_sets",
    "sorted_set_ranges",
    "sorted_set_algebra",
    "sorted_set_blocking",
    "hyperloglogs",
    "geo",
    "geo_search",
    "streams",
    "stream_reading",
    "stream_groups",
    "stream_claims",
    "stream_info",
    "pubsub",
    "transactions",
    "introspection",
    "info",
    "configuration",
    "diagnostics",
    "debugging",
    "memory",
    "administration",
    "clustering",
    "checkpoints",
    "checkpoint_threads",
    "checkpoint_writes",
    "store",
    "store_search",
)


def load() -> None:
    for name in FAMILIES:
        import_module(f"commands.{name}")
