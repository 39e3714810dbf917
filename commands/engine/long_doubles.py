"""The `long double` of C on x86, for INCRBYFLOAT and HINCRBYFLOAT.

Redis adds with a mantissa of 64 bits and prints 17 decimals, so clients see the difference
from a 53-bit double. Numbers here are an exact integer times a power of two; like the
processor, parsing and adding each round once, half to even.
"""

from __future__ import annotations

import re
from decimal import Decimal

_DIGITS = 64
# The power of two of the smallest number's lowest bit, and the first one that overflows.
_LEAST, _BEYOND = -16445, 16384
# Numbers with a decimal exponent outside this range underflow or overflow.
_DECIMAL_EXPONENTS = range(-4952, 4933)
# Redis copies numbers into a buffer of 5 KiB, which includes the terminating NUL.
_LONGEST = 5 * 1024 - 1

# Possessive quantifiers, as in `numbers`.
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+").fullmatch
_HEXADECIMAL = re.compile(
    rb"([+-]?)0[xX](?:([0-9a-fA-F]++)\.?+([0-9a-fA-F]*+)|\.([0-9a-fA-F]++))(?:[pP]([+-]?[0-9]++))?+"
).fullmatch
_INFINITY = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE).fullmatch

# Mantissa and power of two; None as the mantissa of infinity, of either sign.
LongDouble = tuple[int | None, int]
_ZERO: LongDouble = (0, 0)
_INFINITE: LongDouble = (None, 0)


def read_long_double(text: bytes) -> LongDouble | None:
    """Parse a number in the syntax of strtold; None if it is not one or is out of range."""
    if len(text) > _LONGEST:
        return None
    if _DECIMAL(text):
        return _read_decimal(text)
    parts = _HEXADECIMAL(text)
    if parts is not None:
        return _read_hexadecimal(*parts.groups(default=b""))
    return _INFINITE if _INFINITY(text) else None


def add_long_doubles(one: LongDouble, other: LongDouble) -> bytes | None:
    """Return the sum in fixed point with up to 17 decimals; None if it is not finite."""
    a, a_power = one
    b, b_power = other
    if a is None or b is None:
        return None
    power = min(a_power, b_power)
    total = _scaled((a << a_power - power) + (b << b_power - power), power)
    return None if total is None else _fixed_point(total)


def _read_decimal(text: bytes) -> LongDouble | None:
    mantissa, _, exponent = text.lower().partition(b"e")
    if not mantissa.strip(b"+-0."):
        return _ZERO
    # An exponent of more than five digits is out of range whatever the mantissa is, and
    # could exceed the limits of `Decimal`.
    if len(exponent.lstrip(b"+-0")) > 5:
        return None
    number = Decimal(text.decode())
    if number.adjusted() not in _DECIMAL_EXPONENTS:
        return None
    return _rounded(*number.as_integer_ratio())


def _read_hexadecimal(
    sign: bytes, whole: bytes, fraction: bytes, only_fraction: bytes, exponent: bytes
) -> LongDouble | None:
    fraction = fraction or only_fraction
    mantissa = int(whole + fraction, 16)
    if not mantissa:
        return _ZERO
    if len(exponent.lstrip(b"+-0")) > 5:
        return None
    power = int(exponent or b"0") - 4 * len(fraction)
    top = power + mantissa.bit_length()
    if not _LEAST <= top <= _BEYOND:
        return None
    return _scaled(-mantissa if sign == b"-" else mantissa, power)


def _scaled(number: int, power: int) -> LongDouble | None:
    if power >= 0:
        return _rounded(number << power, 1)
    return _rounded(number, 1 << -power)


def _rounded(numerator: int, denominator: int) -> LongDouble | None:
    """Return the nearest long double; None on overflow or underflow."""
    if not numerator:
        return _ZERO
    size = abs(numerator)
    power = max(size.bit_length() - denominator.bit_length() - _DIGITS, _LEAST)
    mantissa = _quotient(size, denominator, power)
    if mantissa.bit_length() > _DIGITS:
        # The estimate of the power is one too low for half of all numbers. Divide again
        # rather than round the rounded quotient, which could differ from rounding once.
        power += 1
        mantissa = _quotient(size, denominator, power)
    if not mantissa or mantissa.bit_length() + power > _BEYOND:
        return None
    return (-mantissa if numerator < 0 else mantissa), power


def _quotient(numerator: int, denominator: int, power: int) -> int:
    """Return numerator / (denominator * 2**power), rounded half to even."""
    if power >= 0:
        denominator <<= power
    else:
        numerator <<= -power
    quotient, rest = divmod(numerator, denominator)
    rest *= 2
    if rest > denominator or (rest == denominator and quotient & 1):
        quotient += 1
    return quotient


def _fixed_point(number: LongDouble) -> bytes:
    mantissa, power = number
    assert mantissa is not None
    size = abs(mantissa)
    scaled = (size << power) * 10**17 if power >= 0 else _quotient(size * 10**17, 1 << -power, 0)
    # `str` rejects integers of more than 4300 digits; long doubles have up to 4933.
    digits = str(Decimal(scaled)).zfill(18)
    text = f"{digits[:-17]}.{digits[-17:]}".rstrip("0").rstrip(".")
    return (f"-{text}" if mantissa < 0 and text != "0" else text).encode()
