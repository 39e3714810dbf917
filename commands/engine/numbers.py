"""Numbers in the syntax and formats of Redis."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from commands.engine.doubles import shortest_digits
from commands.engine.errors import NOT_A_FLOAT, NOT_AN_INTEGER, CommandError

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
UINT64_MAX = 2**64 - 1

# `int()` and `float()` also accept spaces, underscores and non-ASCII digits, which are
# errors in Redis.
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
# The quantifiers are possessive: with ordinary ones, a million digits before a wrong character
# would be tried in every division into whole part and fraction.
_FLOAT = re.compile(
    rb"[+-]?(?:(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+|inf(?:inity)?"
    rb"|0[xX](?:[0-9a-fA-F]++\.?+[0-9a-fA-F]*+|\.[0-9a-fA-F]++)(?:[pP][+-]?[0-9]++)?+)",
    re.IGNORECASE,
).fullmatch
# A digit other than zero before any exponent.
_has_digits = re.compile(
    rb"[+-]?(?:0[xX][0.]*[1-9a-fA-F]|[0.]*[1-9])",
).match


def read_integer(text: bytes | bytearray) -> int | None:
    """Parse a signed 64-bit integer; each has exactly one spelling. None if it is not one."""
    if not _INTEGER(text):
        return None
    number = int(text)
    return number if INT64_MIN <= number <= INT64_MAX else None


def parse_integer(text: bytes | bytearray, message: str = NOT_AN_INTEGER) -> int:
    number = read_integer(text)
    if number is None:
        raise CommandError(message)
    return number


def parse_in_range(text: bytes | bytearray, low: int, high: int, message: str | None = None) -> int:
    """Parse an integer from `low` to `high`; without a message, the error names the range."""
    number = parse_integer(text, message or NOT_AN_INTEGER)
    if not low <= number <= high:
        raise CommandError(
            message or f"ERR value is out of range, value must between {low} and {high}"
        )
    return number


def parse_int32(text: bytes | bytearray, message: str | None = None) -> int:
    """Parse a number that Redis stores in a C int, such as a database index."""
    return parse_in_range(text, INT32_MIN, INT32_MAX, message)


def read_unlimited_float(text: bytes | bytearray) -> float | None:
    """Parse a number in the syntax of C's strtod, except NaN; None if it is not one.

    Numbers out of the range of doubles become infinity or zero.
    """
    if not _FLOAT(text):
        return None
    try:
        return float.fromhex(text.decode()) if b"x" in text.lower() else float(text)
    except OverflowError:
        return -math.inf if text.startswith(b"-") else math.inf


def read_float(text: bytes | bytearray) -> float | None:
    """Parse a double in the syntax of C's strtod, except NaN; None if it is not one."""
    number = read_unlimited_float(text)
    if number is None:
        return None
    # Digits that overflow to infinity or underflow to zero are out of range; `inf` is not.
    if math.isinf(number) and b"i" not in text.lower():
        return None
    if number == 0 and _has_digits(text):
        return None
    return number


def parse_float(text: bytes | bytearray, message: str = NOT_A_FLOAT) -> float:
    number = read_float(text)
    if number is None:
        raise CommandError(message)
    return number


def format_float(number: float) -> bytes:
    """Format a double as Redis prints scores.

    The digits read back as the same double, and are nearly always the fewest that do.
    """
    if -_PLAIN_INTEGERS <= number <= _PLAIN_INTEGERS:
        integer = int(number)
        if integer == number:
            if integer == 0 and math.copysign(1.0, number) < 0:
                return b"-0"
            return b"%d" % integer
    elif math.isinf(number):
        return b"inf" if number > 0 else b"-inf"
    elif math.isnan(number):
        return b"nan"
    return _with_digits(number)


# Up to this magnitude Redis prints whole numbers as integers, with all digits.
_PLAIN_INTEGERS = 2.0**62


def _with_digits(number: float) -> bytes:
    """Format a double that is not a plain integer: 1e+21, 0.00001, 1e-7."""
    digits, exponent = shortest_digits(abs(number))
    size = len(digits)
    power = exponent + size - 1  # of ten, of the first digit
    minus = "-" if number < 0 else ""
    if exponent >= 0 and power < size + 7:
        return f"{minus}{digits}{'0' * exponent}".encode()
    if exponent < 0 and (exponent > -7 or abs(power) < 4):
        if power < 0:
            return f"{minus}0.{'0' * (-power - 1)}{digits}".encode()
        return f"{minus}{digits[: power + 1]}.{digits[power + 1 :]}".encode()
    rest = "." + digits[1:] if size > 1 else ""
    return f"{minus}{digits[0]}{rest}e{'-' if power < 0 else '+'}{abs(power)}".encode()


def format_long_double(number: Decimal) -> bytes:
    """Format a coordinate as GEOPOS prints it: fixed point, 17 decimals at most."""
    text = f"{number:.17f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return b"0" if text == "-0" else text.encode()
