"""The data in memory and its file formats: databases, values, deadlines, RDB and AOF.

Nothing here depends on commands, replies or sockets.

- `keyspace`: all databases of an instance. `database`: all access to keys.
- `values/`: the classes of values, one module per type.
- `listeners`: what a database calls when keys change.
- `deadlines`: which keys expire when. `clock`: the current time.
- `scan_order`: SCAN cursors and random keys. `key_index`: keys in order, by prefix.
- `journal`: writes as requests.
- `copying`: a consistent copy of the data, written while it changes.
- `rdb/`, `aof/`: snapshots and the log of writes, as bytes.
- `memory_usage`: how much memory a value takes. `geohash`: positions as scores.
- `errors`: the base of all errors raised here.
"""
