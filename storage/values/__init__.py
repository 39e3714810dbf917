"""What keys hold: one class per type, each of which knows its Redis encoding.

- `types`: the union of all values, and the names of types and encodings.
- `lists`, with `list_nodes`: how Redis would split a long list into nodes.
- `sets`, `hashes`, `sorted_sets`.
- `streams`, with `consumer_groups`.
- `hyperloglog`: functions on strings that hold a HyperLogLog.
- `limits`: the settings at which encodings change.
- `listpack_sizes`, `radix_tree`: sizes of Redis' structures, which decide encodings and
  appear in replies.
- `random_members`: random picks from sets and hashes.
"""
