"""LCS: the longest common subsequence of two strings.

The textbook algorithm fills a table of lengths, with one step and four bytes per pair of
positions. Here a row of the table is one integer with a bit per position, set where the
length grows; a few big-integer operations compute it from the previous row (Hyyrö, 2004).
That takes about a sixtieth of the steps and a thirty-second of the memory, which makes the
command usable in Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, Token
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_NOT_STRINGS = "ERR The specified keys must contain string values"
_BOTH = "ERR If you want both the length and indexes, please just use IDX."
_TOO_LARGE = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"


@dataclass(slots=True)
class _Match:
    """A run of bytes that both strings contain: its start in each, and its length."""

    first: int
    second: int
    length: int


@command(
    "LCS",
    group="string",
    since="7.0.0",
    flags="readonly",
    complexity="O(N*M) for strings of lengths N and M.",
    summary="Finds the longest common subsequence of two strings.",
    arguments=[
        Key("key1", "RO access"),
        Key("key2", "RO access"),
        Token("LEN", optional=True),
        Token("IDX", optional=True),
        Integer("min-match-len", "MINMATCHLEN", optional=True),
        Token("WITHMATCHLEN", optional=True),
    ],
    keys=[KeySpec("RO access", index=1, last=1)],
)
def lcs(ctx: Context, argv: list[bytes]) -> Reply:
    one, other = ctx.db.read(argv[1]) or b"", ctx.db.read(argv[2]) or b""
    if not (isinstance(one, (bytes, bytearray)) and isinstance(other, (bytes, bytearray))):
        raise CommandError(_NOT_STRINGS)
    first, second = bytes(one), bytes(other)
    only_length = indexes = with_lengths = False
    min_length = 0
    arguments = Arguments(argv, 3)
    while arguments:
        option = arguments.option()
        if option == b"IDX":
            indexes = True
        elif option == b"LEN":
            only_length = True
        elif option == b"WITHMATCHLEN":
            with_lengths = True
        elif option == b"MINMATCHLEN":
            min_length = arguments.integer()
        else:
            raise CommandError(SYNTAX)
    if only_length and indexes:
        raise CommandError(_BOTH)
    # Redis' table has four bytes per pair of positions, and may be as large as a string.
    if 4 * (len(first) + 1) * (len(second) + 1) > ctx.instance.settings.proto_max_bulk_len:
        raise CommandError(_TOO_LARGE)
    if only_length:
        rows = _rows(*sorted((first, second), key=len))
        return rows[-1].bit_count()
    matches = _matches(first, second)
    if not indexes:
        return b"".join([first[m.first : m.first + m.length] for m in reversed(matches)])
    shown: list[Reply] = []
    for match in matches:
        if match.length >= min_length:
            ranges: list[Reply] = [
                [match.first, match.first + match.length - 1],
                [match.second, match.second + match.length - 1],
            ]
            shown.append([*ranges, match.length] if with_lengths else ranges)
    return {b"matches": shown, b"len": sum(match.length for match in matches)}


def _rows(short: bytes, long: bytes) -> list[int]:
    """For each prefix of `short`, return the positions of `long` where the length grows."""
    positions: dict[int, int] = {}
    for letter in set(short):
        # Where the letter occurs in the other string, as binary digits, last position first.
        table = bytes(0x31 if byte == letter else 0x30 for byte in range(256))
        positions[letter] = int(long[::-1].translate(table) or b"0", 2)
    full = (1 << len(long)) - 1
    level = full
    rows = [0]
    for letter in short:
        met = level & positions[letter]
        level = ((level + met) | (level - met)) & full
        rows.append(level ^ full)
    return rows


def _matches(first: bytes, second: bytes) -> list[_Match]:
    """Return the runs of the subsequence, the last one first.

    Among equally long subsequences, Redis chooses the one found by walking back from the
    ends of both strings: equal letters are taken together; otherwise a letter of the first
    string is skipped only if that leaves a strictly longer subsequence.
    """
    swapped = len(first) > len(second)
    short, long = (second, first) if swapped else (first, second)
    rows = _rows(short, long)
    matches: list[_Match] = []
    extending = False
    i, j = len(short), len(long)
    new_row = True
    while i and j:
        if new_row:
            mask = (1 << j) - 1
            growth, growth_above = rows[i] & mask, rows[i - 1] & mask
            # The common length here, and with one letter fewer of the short string.
            here, above = growth.bit_count(), growth_above.bit_count()
            width = j + 7 >> 3
            row, upper = growth.to_bytes(width, "little"), growth_above.to_bytes(width, "little")
        new_row = True
        if short[i - 1] == long[j - 1]:
            i -= 1
            j -= 1
            a, b = (j, i) if swapped else (i, j)
            if extending:
                match = matches[-1]
                match.first, match.second = a, b
                match.length += 1
            else:
                matches.append(_Match(a, b, 1))
            extending = True
            continue
        extending = False
        at, bit = j - 1 >> 3, j - 1 & 7
        left = here - (row[at] >> bit & 1)
        if above > left or (swapped and above == left):
            i -= 1
        else:
            j -= 1
            here = left
            above -= upper[at] >> bit & 1
            new_row = False
    return matches
