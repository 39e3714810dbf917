"""Writes, recorded as the requests that repeat them.

While a log or replica needs them, the databases and the dispatcher record every write here;
the server takes the recorded requests at the end of each turn. Requests are opaque lists of
words. Requests of one command or transaction are enclosed in MULTI and EXEC, and a SELECT
precedes every change of database.
"""

from __future__ import annotations

Request = list[bytes]


class Journal:
    """The requests recorded since the last `take`, in order."""

    __slots__ = ("_selected", "_written")

    def __init__(self) -> None:
        self._written: list[Request] = []
        self._selected = -1

    def __bool__(self) -> bool:
        return bool(self._written)

    def record(self, database: int, requests: list[Request]) -> None:
        """Record the requests that repeat one command run in this database."""
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
        """`record` for a single request, the most common case."""
        if database != self._selected:
            self._select(database)
        self._written.append(request)

    def take(self) -> list[Request]:
        """Return the recorded requests and empty the journal."""
        written, self._written = self._written, []
        return written

    def forget_database(self) -> None:
        """Precede the next request with a SELECT, because a new file begins."""
        self._selected = -1

    def _select(self, database: int) -> None:
        if database != self._selected:
            self._selected = database
            self._written.append([b"SELECT", b"%d" % database])
