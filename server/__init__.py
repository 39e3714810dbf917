"""Sockets, files and time: everything that waits.

- `process`: a server process: logging, signals, exit.
- `server`: one instance with everything that serves it, put together.
- `listeners`, `timers`, `alarm`, `collector`: what runs beside the connections.
- `net/`: connections and the turn of the loop that serves them.
- `wire/`: bytes to requests, and replies to bytes.
- `execution/`: from a request to its reply.
- `persistence/`: the log, snapshots, loading.
- `offline`: an instance without any of these, for tools and tests.
"""
