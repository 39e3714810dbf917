"""Data at rest in memory: databases, value structures, deadlines, files.

Nothing here knows a command, a reply or a socket.

- `keyspace`: the one door to the data.
- `values/`: one structure per file.
- `deadlines`: what runs out when.
- `scan_order`: stateless cursors and fair random picks over a dict.
- `events`: the names of what can happen to a key.
"""
