"""The thresholds at which Redis changes the encoding of a value.

Redis packs small collections into one flat block and converts them when they outgrow it.
Clients see that in OBJECT ENCODING, in iteration order and in whether one scan call returns
everything. Redkeep does not pack its structures, but they track which side of the threshold
they are on, by Redis' rules, so that clients see the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Limits:
    """The thresholds, named after the settings that change them."""

    hash_max_listpack_entries: int = 512
    hash_max_listpack_value: int = 64
    list_max_listpack_size: int = -2
    set_max_intset_entries: int = 512
    set_max_listpack_entries: int = 128
    set_max_listpack_value: int = 64
    zset_max_listpack_entries: int = 128
    zset_max_listpack_value: int = 64
    stream_node_max_bytes: int = 4096
    stream_node_max_entries: int = 100
    hll_sparse_max_bytes: int = 3000
