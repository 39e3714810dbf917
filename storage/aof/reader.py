"""Bytes of a log to requests.

A log is read in batches of complete requests: those between MULTI and EXEC are returned
only once EXEC has been read. hiredis parses most of the file. Encoding its requests again
and comparing with the input proves that the input was nothing but requests, and tells where
they end. Everything else (annotations, the end of the file, damage) is read by a strict
parser, one item at a time.

A file may end anywhere, because a machine may stop at any time: that is `LogTruncated`, and
everything before the cut is valid. Any other invalid request is damage. So is a request
that extends past the end of the file while other requests follow inside it: its length is
wrong, and cutting the file there would discard valid requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap

from hiredis import ProtocolError, Reader

from storage.aof.encoder import encode
from storage.aof.errors import LogError, LogTruncated

Request = list[bytes]

# How many bytes are parsed at once: a few milliseconds' work.
_CHUNK = 1 << 16
# A limit that no valid line of the format reaches.
_LONGEST_LINE = 128
# hiredis allocates space for as many arguments as a request claims to have.
_MANY_WORDS = re.compile(rb"\*[0-9]{5}").search
_COUNT = re.compile(rb"\*([0-9]{1,18})\r\n").match
_LENGTH = re.compile(rb"\$([0-9]{1,18})\r\n").match
_TIMESTAMP = re.compile(rb"#TS:([0-9]{1,18})\r?\n").match
_BEGINNING = re.compile(rb"\r\n(?=\*[0-9]{1,18}\r\n\$[0-9]{1,18}\r\n)")
# How many bytes after a cut request are searched for others, how many candidates are tried,
# and how many valid requests in a row are taken as proof.
_LOOK_AHEAD, _MOST_BEGINNINGS, _CONVINCING = 1 << 22, 10_000, 100


class _Cut(Exception):
    """The data ends inside an item."""


class _Damage(Exception):
    """The data at an offset is not a valid request."""

    def __init__(self, message: str, offset: int) -> None:
        self.message, self.offset = message, offset


class LogReader:
    """Reads the requests of a log, from its bytes or a map of its file.

        for requests in LogReader(data).batches(): ...

    After an error, `whole` is the offset up to which requests were returned.
    """

    def __init__(self, data: bytes | mmap, start: int = 0) -> None:
        self._data = data
        # Everything before this offset was returned in a batch.
        self.whole = start
        # The time of the last annotation, in seconds since the epoch.
        self.timestamp: int | None = None
        # The requests of a transaction whose EXEC has not been read yet.
        self._open: list[Request] | None = None
        # An error found after the requests of the next batch.
        self._error: LogError | None = None

    def batches(self) -> Iterator[list[Request]]:
        """Yield requests in order; raise LogError or LogTruncated at the first invalid one."""
        at, end = self.whole, len(self._data)
        while at < end:
            requests, following = self._parse(at)
            batch = self._complete(requests, at)
            if self._open is None and self._error is None:
                self.whole = following
            yield batch
            if self._error is not None:
                raise self._error
            at = following
        if self._open is not None:
            raise LogTruncated("the file ends inside a transaction", end, self.whole)

    def _parse(self, at: int) -> tuple[list[Request], int]:
        """Parse some requests from `at` on; also return where they end."""
        requests, size = _parse_common(self._data[at : at + _CHUNK])
        if requests:
            return requests, at + size
        following, end = at, min(at + _CHUNK, len(self._data))
        while following < end:
            began = following
            try:
                request, following = self._parse_one(began)
            except (_Cut, _Damage) as problem:
                if following > at:
                    break
                raise self._explain(problem, at) from None
            if request is None:
                self._note_time(began)
            else:
                requests.append(request)
        return requests, following

    def _explain(self, problem: _Cut | _Damage, at: int) -> LogError:
        if isinstance(problem, _Damage):
            return LogError(problem.message, problem.offset, self.whole)
        if self._others_follow(at):
            message = "a length points past the end of the file, but more requests follow"
            return LogError(message, at, self.whole)
        return LogTruncated("the file ends inside a request", at, self.whole)

    def begins_with_request(self) -> bool:
        """Return whether the first item that is not an annotation is a complete request."""
        at, request = self.whole, None
        try:
            while request is None and at < len(self._data):
                request, at = self._parse_one(at)
        except (_Cut, _Damage):
            return False
        return request is not None

    # --- transactions ------------------------------------------------------------------

    def _complete(self, requests: list[Request], at: int) -> list[Request]:
        """Return the requests that are not part of an incomplete transaction."""
        if self._open is None and not any(len(request) == 1 for request in requests):
            return requests
        batch: list[Request] = []
        opened = self._open
        # The first request of the incomplete transaction, and the error at `place`.
        kept_back: int | None = None
        wrong = ""
        for place, request in enumerate(requests):
            word = request[0].upper() if len(request) == 1 or opened is not None else b""
            if opened is not None and (
                word == b"DISCARD" or (len(request) > 1 and word in (b"MULTI", b"EXEC"))
            ):
                # Nothing after it would ever be loaded.
                wrong = f"{word.decode()} in a form that no server logs"
                break
            if word == b"MULTI":
                if opened is not None:
                    wrong = "MULTI inside a transaction"
                    break
                opened, kept_back = [], place
            elif word == b"EXEC":
                if opened is None:
                    wrong, kept_back = "EXEC without MULTI", place
                    break
                batch += opened
                opened = kept_back = None
            elif opened is None:
                batch.append(request)
            else:
                opened.append(request)
        # Finding an offset means parsing the chunk again, so it is not done per transaction.
        if kept_back is not None:
            self.whole = self._offset_of(kept_back, at)
        if wrong:
            self._error = LogError(wrong, self._offset_of(place, at), self.whole)
        self._open = opened
        return batch

    def _offset_of(self, place: int, at: int) -> int:
        """Return the offset of the request number `place` from `at` on."""
        for _ in range(place):
            request = None
            while request is None:
                request, at = self._parse_one(at)
        return at

    # --- the strict parser ---------------------------------------------------------------

    def _parse_one(self, at: int) -> tuple[Request | None, int]:
        """Parse the request at `at` (None for an annotation); also return where it ends."""
        data = self._data
        if data[at] == 0x23:
            return None, self._end_of_annotation(at)
        line = data[at : at + _LONGEST_LINE]
        found = _COUNT(line)
        if found is None:
            raise self._bad_line(at, b"*", "expected the start of a request")
        count = int(found[1])
        if not count:
            raise _Damage("the request is empty", at)
        began, at = at, at + found.end()
        request: Request = []
        for _ in range(count):
            found = _LENGTH(data[at : at + _LONGEST_LINE])
            if found is None:
                raise self._bad_line(
                    at, b"$", f"expected the next argument of the request at byte {began}"
                )
            at += found.end()
            end = at + int(found[1])
            if end + 2 > len(data):
                raise _Cut
            if data[end : end + 2] != b"\r\n":
                raise _Damage("the argument's length does not match its header", end)
            request.append(data[at:end])
            at = end + 2
        return request, at

    def _bad_line(self, at: int, mark: bytes, message: str) -> _Cut | _Damage:
        """Return why there is no header at `at`: a cut file, or damage."""
        rest = self._data[at : at + _LONGEST_LINE]
        digits = rest[1:].rstrip(b"\r")
        is_cut = len(rest) < 21 and (not digits or digits.isdigit()) and rest[:1] in (b"", mark)
        at_end = at + len(rest) == len(self._data) and b"\n" not in rest
        return _Cut() if is_cut and at_end else _Damage(message, at)

    def _end_of_annotation(self, at: int) -> int:
        line = self._data[at : at + _LONGEST_LINE]
        end = line.find(b"\n")
        if end < 0:
            if len(line) < _LONGEST_LINE:
                raise _Cut
            raise _Damage("the annotation line is too long", at)
        return at + end + 1

    def _note_time(self, at: int) -> None:
        found = _TIMESTAMP(self._data[at : at + _LONGEST_LINE])
        if found is not None:
            self.timestamp = int(found[1])

    def _others_follow(self, at: int) -> bool:
        """Return whether valid requests follow inside an apparently cut one, up to the end.

        An argument may contain encoded requests, but hardly ever ones that end exactly at
        the end of the file.
        """
        window = self._data[at : at + _LOOK_AHEAD]
        for tried, beginning in enumerate(_BEGINNING.finditer(window)):
            if tried == _MOST_BEGINNINGS:
                return False
            if self._reach_end(at + beginning.end()):
                return True
        return False

    def _reach_end(self, at: int) -> bool:
        found = 0
        try:
            while at < len(self._data) and found < _CONVINCING:
                _, at = self._parse_one(at)
                found += 1
        except _Cut:
            return found > 0
        except _Damage:
            return False
        return True


def _parse_common(chunk: bytes) -> tuple[list[Request], int]:
    """Parse leading requests with hiredis; none if the bytes are not exactly those requests."""
    if chunk[0] != 0x2A or _MANY_WORDS(chunk):
        return [], 0
    reader = Reader()
    reader.feed(chunk)
    gets = reader.gets
    requests: list[Request] = []
    try:
        while (request := gets()) is not False:
            requests.append(request)
    except (ProtocolError, TypeError):
        pass  # The requests parsed before the error may still be valid.
    try:
        encoded = encode(requests)
    except TypeError:
        return [], 0  # An element is not a string.
    if all(requests) and chunk.startswith(encoded):
        return requests, len(encoded)
    return [], 0
