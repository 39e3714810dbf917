"""Keys in order: by their bytes, or by the places of their layout."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.key_index import KeyIndex, after_prefix


def reversed_place(key: bytes) -> bytes | None:
    """Order keys below `r:` by their reversed bytes; those with an `x` have no place."""
    return None if b"x" in key else b"r:" + key[2:][::-1]


keys = st.builds(
    bytes.__add__,
    st.sampled_from([b"p:", b"q:", b"r:", b"other:"]),
    st.text("abx\xff\x00", max_size=4).map(lambda text: text.encode("latin-1")),
)


def expected(held: set[bytes]) -> list[bytes]:
    plain = {key for key in held if key.startswith((b"p:", b"q:"))}
    placed = {reversed_place(key) for key in held if key.startswith(b"r:")}
    return sorted(plain | {place for place in placed if place is not None})


@given(
    st.lists(st.tuples(st.booleans(), keys)),
    keys,
    keys,
)
def test_against_a_sorted_list(
    changes: list[tuple[bool, bytes]], prefix: bytes, from_: bytes
) -> None:
    index = KeyIndex((b"p:", b"q:", b"r:"), {b"r:": reversed_place})
    held: set[bytes] = set()
    for adding, key in changes:
        if adding and key not in held:
            held.add(key)
            index.added(key)
        elif not adding and key in held:
            held.discard(key)
            index.removed(key)
    wanted = [place for place in expected(held) if place.startswith(prefix)]
    rebuilt = KeyIndex((b"p:", b"q:", b"r:"), {b"r:": reversed_place})
    rebuilt.rebuild(held)
    for each in (index, rebuilt):
        assert bool(each) == bool(expected(held))
        assert list(each.range(prefix)) == wanted
        assert each.count(prefix) == len(wanted)
        assert list(each.range(prefix, after=from_)) == [one for one in wanted if one > from_]
        assert each.first(prefix, start=from_) == next(
            (one for one in wanted if one >= from_), None
        )
        between = [one for one in expected(held) if prefix <= one < from_]
        assert list(each.between(prefix, from_)) == between
        assert each.count_between(prefix, from_) == len(between)
        assert list(each.between(prefix, b"r:b", after=from_)) == [
            one for one in expected(held) if prefix <= one < b"r:b" and one > from_
        ]


def test_the_least_string_after_a_prefix() -> None:
    assert after_prefix(b"a") == b"b"
    assert after_prefix(b"a\xff\xff") == b"b"
    assert after_prefix(b"\xff") is None
