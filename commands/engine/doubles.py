"""The digits of a double, as the Grisu2 algorithm finds them.

Redis prints doubles with Grisu2 (F. Loitsch, "Printing Floating-Point Numbers Quickly and
Accurately with Integers", 2010). It always gives digits that read back as the same double,
but for about one in a thousand not the fewest there are, or not the nearest. Python's
`repr` always gives those; so the very same digits as Redis' take the same algorithm.

A double is scaled by a cached power of ten into a range where its digits can be taken off
an integer of 64 bits. The error of that scaling narrows the interval in which digits may
end: that is where digits are lost.
"""

from __future__ import annotations

import struct

_FRACTION_BITS = 52
_HIDDEN = 1 << _FRACTION_BITS
_BIAS = 1023 + _FRACTION_BITS
_MASK = (1 << 64) - 1
# The scaled number's binary exponent lies between these, so that its whole part fits into
# 32 bits.
_LEAST_EXPONENT, _MOST_EXPONENT = -60, -32


def _cached_power(power: int) -> tuple[int, int]:
    """10**power as (fraction of 64 bits, binary exponent), rounded to the nearest."""
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
    """The upper half of a product of two 64-bit fractions, rounded."""
    return (fraction * power + (1 << 63)) >> 64


def shortest_digits(number: float) -> tuple[str, int]:
    """Digits of a positive finite double, and the power of ten of the last one."""
    bits: int = struct.unpack("<Q", struct.pack("<d", number))[0]
    fraction = bits & _HIDDEN - 1
    biased = bits >> _FRACTION_BITS
    if biased:
        fraction, exponent = fraction + _HIDDEN, biased - _BIAS
    else:
        exponent = 1 - _BIAS
    # Half way to the neighbours; the lower one is nearer below a power of two.
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
    """The cached power that brings a number of this exponent into the range.

    Two may do; which of them is taken decides the digits, so the search begins where
    Redis' does.
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
    """Take digits off until the rest is small enough to be left out.

    `scaled` is the upper end of the interval with its binary point at bit `point`, `above`
    how far the number lies below it, and `room` the width of the interval.
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
    """Lower the last digit while that brings the whole nearer to the number."""
    while (
        rest < above
        and room - rest >= unit
        and (rest + unit < above or above - rest > rest + unit - above)
    ):
        digits -= 1
        rest += unit
    return digits
