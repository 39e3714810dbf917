"""Bytes of a log as requests.

A log is read in batches, each of requests that belong there as a whole: what stands
between MULTI and EXEC is given only once EXEC was seen. hiredis parses most of it; that
its requests, encoded again, are the very bytes it was given shows that these were nothing
but requests, and how far they reached. Whatever is not so (annotations, the end, damage)
is read by a strict parser, one item at a time.

A file may end anywhere, because a machine may stop anywhere: that is `LogTruncated`, and
all before it stands. Anything else that is no request is damage, and so is a request that
reaches past the end of the file though others follow inside: then a length is wrong, and
cutting the file there would throw good requests away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap

from hiredis import ProtocolError, Reader

from storage.aof.encoder import encode
from storage.aof.errors import LogError, LogTruncated

Request = list[bytes]

# About what is parsed in a few milliseconds.
_CHUNK = 1 << 16
# No line of the format is longer.
_LONGEST_LINE = 128
# hiredis makes room for as many words as a request claims to have.
_MANY_WORDS = re.compile(rb"\*[0-9]{5}").search
_COUNT = re.compile(rb"\*([0-9]{1,18})\r\n").match
_LENGTH = re.compile(rb"\$([0-9]{1,18})\r\n").match
_TIMESTAMP = re.compile(rb"#TS:([0-9]{1,18})\r?\n").match
_BEGINNING = re.compile(rb"\r\n(?=\*[0-9]{1,18}\r\n\$[0-9]{1,18}\r\n)")
# How far after a cut request others are looked for, how many beginnings are tried, and how
# many good requests in a row leave no doubt.
_LOOK_AHEAD, _MOST_BEGINNINGS, _CONVINCING = 1 << 22, 10_000, 100


class _Cut(Exception):
    """The data ends inside an item."""


class _Damage(Exception):
    """What stands at an offset is no request."""

    def __init__(self, message: str, offset: int) -> None:
        self.message, self.offset = message, offset


class LogReader:
    """Reads the requests of a log, from its bytes or a map of its file.

        for requests in LogReader(data).batches(): ...

    After an error, `whole` tells up to where the requests were given.
    """

    def __init__(self, data: bytes | mmap, start: int = 0) -> None:
        self._data = data
        # All before is in the batches that were given.
        self.whole = start
        # When the last annotation was written, in seconds of the epoch.
        self.timestamp: int | None = None
        # The requests of a transaction whose EXEC was not seen yet.
        self._open: list[Request] | None = None
        # Found after the requests that are given next.
        self._error: LogError | None = None

    def batches(self) -> Iterator[list[Request]]:
        """Requests to be run, in order; LogError or LogTruncated at the first bad one."""
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
        """Some requests from `at` on, and where they end."""
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
            message = "a length reaches past the end of the file, though requests follow"
            return LogError(message, at, self.whole)
        return LogTruncated("the file ends inside a request", at, self.whole)

    # --- transactions ------------------------------------------------------------------

    def _complete(self, requests: list[Request], at: int) -> list[Request]:
        """Those of the requests whose transactions are complete."""
        if self._open is None and not any(len(request) == 1 for request in requests):
            return requests
        batch: list[Request] = []
        opened = self._open
        # The first request that is in no complete transaction, and what is wrong at `place`.
        kept_back: int | None = None
        wrong = ""
        for place, request in enumerate(requests):
            word = request[0].upper() if len(request) == 1 else b""
            if word == b"MULTI":
                if opened is not None:
                    wrong = "a transaction inside a transaction"
                    break
                opened, kept_back = [], place
            elif word == b"EXEC":
                if opened is None:
                    wrong, kept_back = "the end of no transaction", place
                    break
                batch += opened
                opened = kept_back = None
            elif opened is None:
                batch.append(request)
            else:
                opened.append(request)
        # Finding an offset takes reading all before it again: not for every transaction.
        if kept_back is not None:
            self.whole = self._offset_of(kept_back, at)
        if wrong:
            self._error = LogError(wrong, self._offset_of(place, at), self.whole)
        self._open = opened
        return batch

    def _offset_of(self, place: int, at: int) -> int:
        """Where one of the requests that were parsed from `at` on begins."""
        for _ in range(place):
            request = None
            while request is None:
                request, at = self._parse_one(at)
        return at

    # --- the strict parser ---------------------------------------------------------------

    def _parse_one(self, at: int) -> tuple[Request | None, int]:
        """The request at `at` (None for an annotation) and where it ends."""
        data = self._data
        if data[at] == 0x23:
            return None, self._end_of_annotation(at)
        line = data[at : at + _LONGEST_LINE]
        found = _COUNT(line)
        if found is None:
            raise self._bad_line(at, b"*", "a request should begin here")
        count = int(found[1])
        if not count:
            raise _Damage("a request without words", at)
        began, at = at, at + found.end()
        request: Request = []
        for _ in range(count):
            found = _LENGTH(data[at : at + _LONGEST_LINE])
            if found is None:
                raise self._bad_line(at, b"$", f"the request at byte {began} should go on here")
            at += found.end()
            end = at + int(found[1])
            if end + 2 > len(data):
                raise _Cut
            if data[end : end + 2] != b"\r\n":
                raise _Damage("a word is not as long as it says", end)
            request.append(data[at:end])
            at = end + 2
        return request, at

    def _bad_line(self, at: int, mark: bytes, message: str) -> _Cut | _Damage:
        """Why there is no header at `at`: cut off, or something else."""
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
            raise _Damage("an annotation without end", at)
        return at + end + 1

    def _note_time(self, at: int) -> None:
        found = _TIMESTAMP(self._data[at : at + _LONGEST_LINE])
        if found is not None:
            self.timestamp = int(found[1])

    def _others_follow(self, at: int) -> bool:
        """Whether requests stand inside what seems to be a cut one, up to the file's end.

        A word may well hold a request; but hardly one that ends where the file does.
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
    """The requests that the chunk begins with, if these are all there is up to their end."""
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
        pass  # What came before it may be requests all the same.
    try:
        encoded = encode(requests)
    except TypeError:
        return [], 0  # Something is no string.
    if all(requests) and chunk.startswith(encoded):
        return requests, len(encoded)
    return [], 0
