"""Redis' format for snapshots (RDB), single values (DUMP) and libraries (FUNCTION DUMP).

Writing a snapshot, all at once or key by key:

    for chunk in save(keyspace, {"redis-ver": "7.2.4", "ctime": seconds}):
        file.write(chunk)

    writer = SnapshotWriter(needed_version(keyspace))
    writer.begin(facts)
    writer.select(0, keys, deadlines)
    if writer.add(key, value, deadline):        # a chunk is full
        file.write(writer.take())
    writer.finish()
    file.write(writer.take())

Reading one, from any binary file, at once or in steps:

    loaded = load(file, keyspace)               # RdbError(message, offset) if damaged

    reader = SnapshotReader(file, keyspace)
    for bytes_done in reader.steps(): ...
    reader.loaded.keys, reader.loaded.libraries, reader.loaded.end

Snapshots are written as version 10, which Redis 7.0 and all later versions read, unless the
data needs a later one: stream consumers whose two times differ need version 11 (Redis 7.2),
and hash fields with deadlines need Valkey's version 80. Redis 7.4 has another form for the
latter, which is read but not written, because no Valkey reads it.

The modules, each building on those before it:

- `errors`, `codes`, `checksum`, `lzf`: the error, the numbers of the format, CRC-64, and the
  compression of strings.
- `primitive_writer`, `primitive_reader`: lengths and strings.
- `listpacks`, `ziplists`: the flat blocks of small collections, current and old.
- `streams`: reading and writing streams.
- `redis_modules`: data of Redis modules, which is skipped or refused.
- `value_writer`, `value_reader`: values of every type.
- `writer`, `reader`: whole snapshots. `payloads`: single values (DUMP and RESTORE), libraries.
"""

from storage.rdb.errors import RdbError
from storage.rdb.payloads import (
    NotALibrary,
    PayloadMismatch,
    dump_libraries,
    dump_value,
    load_libraries,
    load_value,
)
from storage.rdb.primitive_reader import Readable
from storage.rdb.reader import Loaded, SnapshotReader, load
from storage.rdb.writer import Facts, SnapshotWriter, needed_version, save

__all__ = [
    "Facts",
    "Loaded",
    "NotALibrary",
    "PayloadMismatch",
    "RdbError",
    "Readable",
    "SnapshotReader",
    "SnapshotWriter",
    "dump_libraries",
    "dump_value",
    "load",
    "load_libraries",
    "load_value",
    "needed_version",
    "save",
]
