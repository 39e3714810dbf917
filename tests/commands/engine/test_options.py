"""Requests parsed by their declaration: values, options in any order, errors that name words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.engine.errors import CommandError
from commands.engine.grammar import (
    Argument,
    ArgumentGroup,
    Double,
    Integer,
    Key,
    OneOf,
    String,
    Token,
)
from commands.engine.options import ArgumentParser


def shout(word: bytes) -> str:
    return word.decode().upper()


@dataclass(slots=True)
class Request:
    key: bytes
    name: str
    count: int = 7
    weight: float = 1.0
    kinds: list[bytes] = field(default_factory=list)
    limit: tuple[int, int] | None = None
    condition: bytes | None = None
    ttl: int | None = None
    keepttl: bool = False
    inactive: bool = False
    order: bytes = b"ASC"
    tag: list[bytes] = field(default_factory=list)


GRAMMAR = [
    Key("key", "RO access"),
    String("name", convert=shout),
    Integer("count", "COUNT", optional=True, low=1, high=100),
    Double("weight", "WEIGHT", optional=True),
    ArgumentGroup(
        "kinds",
        Integer("numkinds", low=1),
        String("kind", multiple=True),
        token="KINDS",
        optional=True,
    ),
    ArgumentGroup("limit", Integer("offset"), Integer("size"), token="LIMIT", optional=True),
    OneOf("condition", Token("NX"), Token("XX"), optional=True),
    OneOf(
        "expiration",
        Integer("ttl", "TTL", low=1, unit="milliseconds"),
        Token("KEEPTTL"),
        optional=True,
    ),
    Token("INACTIVE", optional=True),
    OneOf("order", Token("ASC"), Token("DESC"), token="ORDER", optional=True),
    String("tag", "TAG", optional=True, multiple=True, multiple_token=True),
]
OWN = ArgumentParser("X", Request, GRAMMAR, own=True)
REDIS = ArgumentParser("X", Request, GRAMMAR, own=False)


def parsed(text: str, parser: ArgumentParser[Request] = OWN) -> Request:
    return parser.parse([b"X", b"k", b"n", *text.encode().split()])


def error(text: str, parser: ArgumentParser[Request] = OWN) -> str:
    with pytest.raises(CommandError) as caught:
        parsed(text, parser)
    return caught.value.text.decode()


@pytest.mark.parametrize("parser", [OWN, REDIS])
def test_options_left_out_have_the_defaults_of_the_class(parser: ArgumentParser[Request]) -> None:
    assert parsed("", parser) == Request(b"k", "N")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("count 3", {"count": 3}),
        ("WEIGHT 2.5", {"weight": 2.5}),
        ("KINDS 2 a b COUNT 1", {"kinds": [b"a", b"b"], "count": 1}),
        ("LIMIT 3 -4", {"limit": (3, -4)}),
        ("nx", {"condition": b"NX"}),
        ("KEEPTTL XX", {"condition": b"XX", "keepttl": True}),
        ("TTL 5 INACTIVE", {"ttl": 5, "inactive": True}),
        ("ORDER desc", {"order": b"DESC"}),
        ("TAG a TAG b", {"tag": [b"a", b"b"]}),
    ],
)
def test_values(text: str, changed: dict[str, object]) -> None:
    assert parsed(text) == Request(b"k", "N", **changed)  # type: ignore[arg-type]


@given(st.permutations(["COUNT 3", "KINDS 1 a", "NX", "TTL 9", "INACTIVE", "ORDER DESC"]))
def test_options_come_in_any_order(options: list[str]) -> None:
    assert parsed(" ".join(options)) == Request(
        b"k", "N", 3, kinds=[b"a"], condition=b"NX", ttl=9, inactive=True, order=b"DESC"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PRIO 1", "ERR unknown option 'PRIO'"),
        ("COUNT", "ERR COUNT is incomplete, expected: COUNT count"),
        ("COUNT 0", "ERR COUNT must be an integer from 1 to 100, not '0'"),
        ("COUNT 5s", "ERR COUNT must be an integer from 1 to 100, not '5s'"),
        ("TTL 0", "ERR TTL must be an integer of at least 1 (milliseconds), not '0'"),
        ("LIMIT 1 x", "ERR size must be an integer, not 'x'"),
        ("LIMIT 1", "ERR LIMIT is incomplete, expected: LIMIT offset size"),
        (
            "KINDS train",
            "ERR KINDS needs the number of kinds first, from 1 to 9223372036854775807, not 'train'",
        ),
        ("KINDS 2 a", "ERR KINDS is incomplete, expected: KINDS numkinds kind [kind ...]"),
        ("COUNT 1 COUNT 2", "ERR COUNT is given twice"),
        ("INACTIVE INACTIVE", "ERR INACTIVE is given twice"),
        ("NX XX", "ERR NX and XX exclude each other"),
        ("KEEPTTL TTL 5", "ERR KEEPTTL and TTL exclude each other"),
        ("ORDER UP", "ERR ORDER is incomplete, expected: ORDER <ASC | DESC>"),
    ],
)
def test_errors_name_the_word(text: str, message: str) -> None:
    assert error(text) == message


def test_errors_show_unprintable_words_escaped_and_cut() -> None:
    with pytest.raises(CommandError) as caught:
        OWN.parse([b"X", b"k", b"n", b"\xff" + b"y" * 100])
    assert caught.value.text.decode() == f"ERR unknown option '\\xff{'y' * 63}'"


@pytest.mark.parametrize("text", ["PRIO 1", "COUNT", "LIMIT 1", "NX XX", "KEEPTTL TTL 5"])
def test_commands_of_redis_answer_syntax_error(text: str) -> None:
    assert error(text, REDIS) == "ERR syntax error"


def test_commands_of_redis_say_what_is_no_integer() -> None:
    assert error("COUNT x", REDIS) == "ERR value is not an integer or out of range"


def test_commands_of_redis_name_the_range_of_an_integer() -> None:
    message = "ERR value is out of range, value must between 1 and 100"
    assert error("COUNT 101", REDIS) == message


def test_commands_of_redis_can_have_another_error_for_a_number_out_of_range() -> None:
    @dataclass(slots=True)
    class Wait:
        timeout: int

    timeout = Integer("timeout", low=0, message="ERR not an integer", range_message="ERR negative")
    parser = ArgumentParser("X", Wait, [timeout], own=False)
    assert parser.parse([b"X", b"0"]) == Wait(0)
    for word, message in ((b"soon", "ERR not an integer"), (b"-1", "ERR negative")):
        with pytest.raises(CommandError) as caught:
            parser.parse([b"X", word])
        assert caught.value.text.decode() == message


def test_commands_of_redis_may_repeat_an_option() -> None:
    assert parsed("COUNT 1 COUNT 2 NX NX", REDIS) == Request(b"k", "N", 2, condition=b"NX")


def test_a_required_option_must_be_there() -> None:
    @dataclass(slots=True)
    class Put:
        step: int

    parser = ArgumentParser("X", Put, [Integer("step", "STEP", low=0)], own=True)
    assert parser.parse([b"X", b"step", b"3"]) == Put(3)
    with pytest.raises(CommandError, match="ERR STEP is missing"):
        parser.parse([b"X"])


def test_a_required_choice_of_tokens_stands_at_its_place() -> None:
    @dataclass(slots=True)
    class Insert:
        key: bytes
        where: bytes
        pivot: bytes

    arguments = [
        Key("key", "RW"),
        OneOf("where", Token("BEFORE"), Token("AFTER")),
        String("pivot"),
    ]
    parser = ArgumentParser("X", Insert, arguments, own=True)
    assert parser.parse([b"X", b"k", b"after", b"BEFORE"]) == Insert(b"k", b"AFTER", b"BEFORE")
    with pytest.raises(CommandError, match=r"ERR where is incomplete, expected: <BEFORE \| AFTER>"):
        parser.parse([b"X", b"k", b"UP", b"p"])


def test_an_integer_may_be_read_by_a_rule_of_its_own() -> None:
    @dataclass(slots=True)
    class Find:
        rank: object = None

    def read(word: bytes) -> int:
        if word == b"0":
            raise CommandError("ERR RANK can't be zero")
        return int(word)

    arguments = [Integer("rank", "RANK", optional=True, convert=read)]
    parser = ArgumentParser("X", Find, arguments, own=False)
    assert parser.parse([b"X", b"RANK", b"-2"]) == Find(-2)
    with pytest.raises(CommandError, match="RANK can't be zero"):
        parser.parse([b"X", b"RANK", b"0"])


def test_optional_words_without_a_token_come_before_options() -> None:
    @dataclass(slots=True)
    class Presence:
        queue: bytes | None = None
        group: bytes | None = None
        ttl: int | None = None

    scope = ArgumentGroup(
        "scope", Key("queue", "RO"), String("group", optional=True), optional=True
    )
    parser = ArgumentParser("X", Presence, [scope, Integer("ttl", "TTL", optional=True)], own=True)
    assert parser.parse([b"X"]) == Presence()
    assert parser.parse([b"X", b"q", b"TTL", b"5"]) == Presence(b"q", ttl=5)
    assert parser.parse([b"X", b"q", b"g", b"TTL", b"5"]) == Presence(b"q", b"g", 5)


def test_the_last_argument_may_take_all_words() -> None:
    @dataclass(slots=True)
    class Put:
        key: bytes
        data: list[tuple[bytes, int]]

    data = ArgumentGroup("data", String("member"), Integer("score"), multiple=True)
    parser = ArgumentParser("A B", Put, [Key("key", "RW"), data], own=True)
    assert parser.parse([b"A", b"B", b"k", b"m", b"1", b"n", b"2"]) == Put(
        b"k", [(b"m", 1), (b"n", 2)]
    )
    with pytest.raises(CommandError, match="ERR data is incomplete"):
        parser.parse([b"A", b"B", b"k", b"m", b"1", b"n"])


def test_a_list_of_groups_of_words() -> None:
    @dataclass(slots=True)
    class Put:
        data: list[tuple[bytes, bytes]]

    data = ArgumentGroup("data", String("key"), String("value"), multiple=True)
    parser = ArgumentParser("X", Put, [data], own=True)
    assert parser.parse([b"X", b"a", b"1", b"b", b"2"]) == Put([(b"a", b"1"), (b"b", b"2")])
    with pytest.raises(CommandError, match="ERR data is incomplete, expected: key value"):
        parser.parse([b"X", b"a", b"1", b"b"])


def test_options_may_stand_in_place_of_an_optional_list() -> None:
    @dataclass(slots=True)
    class Replay:
        group: bytes
        id: list[bytes]
        count: int | None = None

    arguments = [
        String("group"),
        Integer("count", "COUNT", optional=True),
        String("id", optional=True, multiple=True),
    ]
    parser = ArgumentParser("X", Replay, arguments, own=True)
    assert parser.parse([b"X", b"g"]) == Replay(b"g", [])
    assert parser.parse([b"X", b"g", b"a", b"b"]) == Replay(b"g", [b"a", b"b"])
    assert parser.parse([b"X", b"g", b"count", b"2"]) == Replay(b"g", [], 2)
    with pytest.raises(CommandError, match="ERR unknown option 'a'"):
        parser.parse([b"X", b"g", b"COUNT", b"2", b"a"])


@pytest.mark.parametrize(
    "arguments",
    [
        [Key("key", "RO")],
        [Key("key", "RO"), Integer("ttl", "TTL", optional=True), Token("NX", optional=True)],
        [Key("key", "RO"), Integer("ttl", "TTL")],
    ],
    ids=["a field without argument", "an argument without field", "a default for a must"],
)
def test_a_class_that_does_not_fit_the_declaration_is_refused(
    arguments: Sequence[Argument],
) -> None:
    @dataclass(slots=True)
    class Narrow:
        key: bytes
        ttl: int = 0

    with pytest.raises(ValueError, match="X: "):
        ArgumentParser("X", Narrow, arguments, own=True)
