"""What was written, as the requests that do it again.

The keyspace and the dispatcher put every write here while somebody (the log, a replica)
wants to hear of it; the server takes what has gathered at the end of each turn. Requests
are opaque lists of words. Those that belong together stand between MULTI and EXEC, and a
SELECT stands wherever the database changes.
"""

from __future__ import annotations

Request = list[bytes]


class Journal:
    """Requests in the order in which they happened, since they were last taken."""

    __slots__ = ("_selected", "_written")

    def __init__(self) -> None:
        self._written: list[Request] = []
        self._selected = -1

    def __bool__(self) -> bool:
        return bool(self._written)

    def record(self, database: int, requests: list[Request]) -> None:
        """Note what one command, run in this database, came down to."""
        if not requests:
            return
        if len(requests) == 1:
            self._select(database)
            self._written.append(requests[0])
            return
        self._written.append([b"MULTI"])
        self._select(database)
        for request in requests:
            if request[0] == b"SELECT":
                self._select(int(request[1]))
            else:
                self._written.append(request)
        self._written.append([b"EXEC"])

    def add(self, database: int, request: Request) -> None:
        """`record` for the one request that most writes are."""
        if database != self._selected:
            self._select(database)
        self._written.append(request)

    def take(self) -> list[Request]:
        """What has gathered; the journal is empty afterwards."""
        written, self._written = self._written, []
        return written

    def forget_database(self) -> None:
        """The next request must say which database it is for: a new file begins."""
        self._selected = -1

    def _select(self, database: int) -> None:
        if database != self._selected:
            self._selected = database
            self._written.append([b"SELECT", b"%d" % database])
