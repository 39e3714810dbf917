"""The decimal digits of a double, computed with the Grisu2 algorithm.

Redis prints doubles with Grisu2 (F. Loitsch, "Printing Floating-Point Numbers Quickly and
Accurately with Integers", 2010). Its digits always read back as the same double, but for
about one double in a thousand they are not the fewest possible, or not the nearest. Python's
`repr` always finds the fewest and nearest, so printing the same digits as Redis requires the
same algorithm.

A double is scaled by a cached power of ten into a range where its digits can be read from a
64-bit integer. The rounding error of the scaling narrows the interval in which the result
must lie, and a narrower interval sometimes needs a digit more.
"""

from __future__ import annotations

import struct

_FRACTION_BITS = 52
_HIDDEN = 1 << _FRACTION_BITS
_BIAS = 1023 + _FRACTION_BITS
_MASK = (1 << 64) - 1
# The binary exponent of the scaled number is in this range, so that its integer part fits
# into 32 bits.
_LEAST_EXPONENT, _MOST_EXPONENT = -60, -32


def _cached_power(power: int) -> tuple[int, int]:
    """Return 10**power as (64-bit fraction, binary exponent), rounded to the nearest."""
    if power >= 0:
        value = 10**power
        exponent = value.bit_length() - 64
        if exponent <= 0:
            return value << -exponent, exponent
        fraction = (value + (1 << exponent - 1)) >> exponent
    else:
        divisor = 10**-power
        exponent = -(63 + divisor.bit_length())
        fraction = ((2 << -exponent) // divisor + 1) >> 1
        if fraction < 1 << 63:
            exponent -= 1
            fraction = ((2 << -exponent) // divisor + 1) >> 1
    return (fraction, exponent) if fraction <= _MASK else (fraction >> 1, exponent + 1)


_FIRST_POWER, _STEP = -348, 8
_POWERS = tuple(_cached_power(power) for power in range(_FIRST_POWER, 341, _STEP))
_LOG10_OF_2 = 0.30102999566398114


def _scale(fraction: int, power: int) -> int:
    """Return the upper half of the product of two 64-bit fractions, rounded."""
    return (fraction * power + (1 << 63)) >> 64


def shortest_digits(number: float) -> tuple[str, int]:
    """Return the digits of a positive finite double, and the power of ten of the last one."""
    bits: int = struct.unpack("<Q", struct.pack("<d", number))[0]
    fraction = bits & _HIDDEN - 1
    biased = bits >> _FRACTION_BITS
    if biased:
        fraction, exponent = fraction + _HIDDEN, biased - _BIAS
    else:
        exponent = 1 - _BIAS
    # The interval ends half way to the neighbours; below a power of two the lower is nearer.
    nearer = fraction == _HIDDEN
    upper = 2 * fraction + 1
    shift = 64 - upper.bit_length()
    upper_exponent = exponent - 1 - shift
    upper <<= shift
    lower = ((fraction << 2) - 1 if nearer else (fraction << 1) - 1) << (
        exponent - (2 if nearer else 1) - upper_exponent
    )
    middle = fraction << (exponent - upper_exponent)

    place = _power_for(upper_exponent)
    power, power_exponent = _POWERS[place]
    scaled = _scale(upper, power) - 1
    return _generate(
        scaled,
        scaled - _scale(middle, power),
        scaled - _scale(lower, power) - 1,
        -(upper_exponent + power_exponent + 64),
        -(_FIRST_POWER + place * _STEP),
    )


def _power_for(exponent: int) -> int:
    """Return the place of the cached power that scales this exponent into the range.

    Two powers may be suitable, and the choice affects the digits, so the search starts
    where that of Redis does.
    """
    place = (int(-(exponent + len(_POWERS)) * _LOG10_OF_2) - _FIRST_POWER) // _STEP
    while True:
        scaled = exponent + _POWERS[place][1] + 64
        if scaled < _LEAST_EXPONENT:
            place += 1
        elif scaled > _MOST_EXPONENT:
            place -= 1
        else:
            return place


def _generate(scaled: int, above: int, room: int, point: int, power: int) -> tuple[str, int]:
    """Generate digits until the remainder is within the interval.

    `scaled` is the upper end of the interval with its binary point at bit `point`, `above`
    its distance from the number, and `room` the width of the interval.
    """
    whole, rest = scaled >> point, scaled & (1 << point) - 1
    text = str(whole)
    digits = 0
    for place in range(len(text) - 1, -1, -1):
        unit = 10**place
        digit, whole = divmod(whole, unit)
        digits = digits * 10 + digit
        left = (whole << point) + rest
        if left <= room:
            digits = _nearest(digits, room, left, unit << point, above)
            return str(digits), power + place
    unit = 1
    place = 0
    while True:
        rest *= 10
        room *= 10
        unit *= 10
        place -= 1
        digits = digits * 10 + (rest >> point)
        rest &= (1 << point) - 1
        if rest < room:
            digits = _nearest(digits, room, rest, 1 << point, above * unit)
            return str(digits), power + place


def _nearest(digits: int, room: int, rest: int, unit: int, above: int) -> int:
    """Decrement the last digit while that brings the result nearer to the number."""
    while (
        rest < above
        and room - rest >= unit
        and (rest + unit < above or above - rest > rest + unit - above)
    ):
        digits -= 1
        rest += unit
    return digits
