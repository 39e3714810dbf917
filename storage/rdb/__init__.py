"""Redis' own format of snapshots (RDB) and of single values (DUMP).

Writing a snapshot, the whole at once or key by key:

    for chunk in save(keyspace, {"redis-ver": "7.2.4", "ctime": seconds}):
        file.write(chunk)

    writer = SnapshotWriter(needed_version(keyspace))
    writer.begin(facts)
    writer.select(0, keys, deadlines)
    if writer.add(key, value, deadline):        # enough has gathered
        file.write(writer.take())
    writer.finish()
    file.write(writer.take())

Reading one, from any binary file, at once or in steps:

    loaded = load(file, keyspace)               # RdbError(message, offset) if damaged

    reader = SnapshotReader(file, keyspace)
    for bytes_done in reader.steps(): ...
    reader.loaded.keys, reader.loaded.libraries, reader.loaded.end

What is written is version 10, which Redis 7.0 and everything after it reads, unless the
data holds something younger: consumers of streams whose two times differ make it version
11 (Redis 7.2), and deadlines of hash fields Valkey's version 80. Redis 7.4 has another form
for those, which is read but not written, because no Valkey reads it.

The modules, from the inside out: `codes` the numbers; `checksum` and `lzf`; `elements` and
`source` write and read lengths and strings; `listpacks` and `ziplists` the flat blocks;
`streams`, `values` and `reading` values; `snapshots`, `loading` and `payloads` the whole.
"""

from storage.rdb.errors import RdbError
from storage.rdb.payloads import PayloadMismatch, dump_value, load_value
from storage.rdb.primitive_reader import Readable
from storage.rdb.reader import Loaded, SnapshotReader, load
from storage.rdb.writer import Facts, SnapshotWriter, needed_version, save

__all__ = [
    "Facts",
    "Loaded",
    "PayloadMismatch",
    "RdbError",
    "Readable",
    "SnapshotReader",
    "SnapshotWriter",
    "dump_value",
    "load",
    "load_value",
    "needed_version",
    "save",
]
