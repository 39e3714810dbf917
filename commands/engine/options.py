"""Requests parsed by their declaration.

A command that names a request class gets its arguments as an object of it:

    @dataclass(slots=True)
    class Extend:
        pool: bytes
        id: bytes
        ms: int
        worker: bytes | None = None

    @command("JOB.EXTEND", request=Extend, arguments=[
        Key("pool", "RW access update"), String("id"), Integer("ms", low=1),
        String("worker", "WORKER", optional=True),
    ], ...)
    def job_extend(ctx: Context, request: Extend) -> Reply: ...

The parser is built from the declaration at import, and compared with the class then: each
argument has a field and each field an argument. A field is named after the argument's
token, or after the argument where it has none; defaults of options are those of the class.

| argument | field |
|---|---|
| leaf without token | its value: `int`, `float`, `bytes`, or what `convert` returns |
| the same, multiple | a list of values |
| group without token, multiple | a list of tuples |
| leaf with token | its value |
| token alone | `True` |
| one of several tokens | the token, in upper case; where it must be given, at its place |
| group with token, a count and a list | the list |
| group with token | a tuple |

Options may come in any order. Where a list that takes all words is optional, options may
stand in its place: `QUEUE.REPLAY queue group [COUNT count] [id ...]`; where it is required,
they stand before it: `CP.WRITES PUT tenant thread id task [NS path] idx channel value ...`.
Commands of our own name the word that is wrong; commands of Redis answer as Redis does (`ERR
syntax error`), and allow an option to be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Generic, Protocol, TypeVar

from commands.engine.errors import NOT_AN_INTEGER, SYNTAX, CommandError
from commands.engine.grammar import Argument
from commands.engine.numbers import INT64_MAX, INT64_MIN, parse_float, read_integer
from commands.engine.usage import usage

R = TypeVar("R")
_LONGEST_SHOWN = 64
_NOT_LEAVES = ("pure-token", "oneof", "block")

# Takes words from a place on; returns the value and the place after it.
_Take = Callable[[list[bytes], int], tuple[object, int]]
# Makes the value of one word.
_Read = Callable[[bytes], object]


# --- errors --------------------------------------------------------------------------------


class _Errors(Protocol):
    """How a family words what is wrong with a request."""

    repeats: bool

    def unknown(self, word: bytes) -> CommandError: ...

    def incomplete(self, argument: Argument) -> CommandError: ...

    def missing(self, argument: Argument) -> CommandError: ...

    def repeated(self, argument: Argument) -> CommandError: ...

    def exclusive(self, first: Argument, second: Argument) -> CommandError: ...

    def not_integer(self, argument: Argument, word: bytes) -> CommandError: ...

    def not_count(self, argument: Argument, word: bytes) -> CommandError: ...


class _OwnErrors:
    """Names the word, and says what would be right."""

    repeats = False

    def unknown(self, word: bytes) -> CommandError:
        return CommandError(f"ERR unknown option '{_shown(word)}'")

    def incomplete(self, argument: Argument) -> CommandError:
        syntax = usage([replace(argument, optional=False)])
        return CommandError(f"ERR {_label(argument)} is incomplete, expected: {syntax}")

    def missing(self, argument: Argument) -> CommandError:
        return CommandError(f"ERR {_label(argument)} is missing")

    def repeated(self, argument: Argument) -> CommandError:
        return CommandError(f"ERR {_label(argument)} is given twice")

    def exclusive(self, first: Argument, second: Argument) -> CommandError:
        return CommandError(f"ERR {_label(first)} and {_label(second)} exclude each other")

    def not_integer(self, argument: Argument, word: bytes) -> CommandError:
        return CommandError(
            f"ERR {_label(argument)} must be {_range(argument)}, not '{_shown(word)}'"
        )

    def not_count(self, argument: Argument, word: bytes) -> CommandError:
        number = argument.parts[0]
        what = number.name.removeprefix("num")
        return CommandError(
            f"ERR {_label(argument)} needs the number of {what} first, "
            f"from {number.low} to {number.high}, not '{_shown(word)}'"
        )


class _RedisErrors:
    """Answers as Redis does."""

    repeats = True

    def unknown(self, word: bytes) -> CommandError:
        return CommandError(SYNTAX)

    def incomplete(self, argument: Argument) -> CommandError:
        return CommandError(SYNTAX)

    def missing(self, argument: Argument) -> CommandError:
        return CommandError(SYNTAX)

    def repeated(self, argument: Argument) -> CommandError:
        return CommandError(SYNTAX)

    def exclusive(self, first: Argument, second: Argument) -> CommandError:
        return CommandError(SYNTAX)

    def not_integer(self, argument: Argument, word: bytes) -> CommandError:
        if read_integer(word) is None:
            return CommandError(argument.message or NOT_AN_INTEGER)
        return CommandError(
            argument.range_message
            or argument.message
            or f"ERR value is out of range, value must between {argument.low} and {argument.high}"
        )

    def not_count(self, argument: Argument, word: bytes) -> CommandError:
        return self.not_integer(argument.parts[0], word)


def _label(argument: Argument) -> str:
    return argument.token or argument.name


def _shown(word: bytes) -> str:
    return word[:_LONGEST_SHOWN].decode("utf-8", "backslashreplace")


def _range(argument: Argument) -> str:
    unit = f" ({argument.unit})" if argument.unit else ""
    if argument.low == INT64_MIN and argument.high == INT64_MAX:
        return f"an integer{unit}"
    if argument.high == INT64_MAX:
        return f"an integer of at least {argument.low}{unit}"
    if argument.low == INT64_MIN:
        return f"an integer of at most {argument.high}{unit}"
    return f"an integer from {argument.low} to {argument.high}{unit}"


# --- the parser ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Option:
    argument: Argument
    field: str
    take: _Take
    # Options of one choice exclude each other.
    choice: Argument | None
    gathers: bool


class ArgumentParser(Generic[R]):
    """Makes requests of one class from the words of one command."""

    def __init__(
        self, command: str, request: type[R], arguments: Sequence[Argument], *, own: bool
    ) -> None:
        self._request = request
        self._errors: _Errors = _OwnErrors() if own else _RedisErrors()
        # Where the first argument stands.
        self._start = len(command.split(" "))
        # In their order: the first ones, as long as they are kept as they are; the others
        # that must be there; then those that may be.
        self._words: list[str] = []
        self._positional: list[tuple[str, _Take]] = []
        self._optional: list[tuple[str, _Take]] = []
        # What takes all words up to the end. An optional one may be left out for options.
        self._rest: tuple[str, _Take] | None = None
        self._rest_or_options = False
        self._options: dict[bytes, _Option] = {}
        # Those of a token and one word, in no choice and not repeated: most are. None keeps
        # the word.
        self._simple: dict[bytes, tuple[str, _Read | None]] = {}
        self._required: list[_Option] = []
        for argument in arguments:
            self._add(argument)
        self._compare(command)

    # --- building -----------------------------------------------------------------------

    def _add(self, argument: Argument) -> None:
        if argument.token is not None:
            self._add_option(argument, argument.field, None)
        elif argument.kind == "oneof":
            bare = all(part.kind == "pure-token" for part in argument.parts)
            if bare and not argument.optional:
                self._positional.append((argument.field, self._one_of(argument)))
            else:
                self._add_choice(argument)
        elif argument.multiple:
            self._rest = (argument.field, self._all_of(argument))
            self._rest_or_options = argument.optional
        elif argument.kind == "block":
            for part in argument.parts:
                self._optional.append((part.field, self._value_of(part)))
        elif argument.optional:
            self._optional.append((argument.field, self._value_of(argument)))
        elif self._is_word(argument) and not self._positional:
            self._words.append(argument.field)
        else:
            self._positional.append((argument.field, self._value_of(argument)))

    def _add_choice(self, choice: Argument) -> None:
        bare = all(part.kind == "pure-token" for part in choice.parts)
        for part in choice.parts:
            self._add_option(part, choice.field if bare else part.field, choice)

    def _add_option(self, argument: Argument, field: str, choice: Argument | None) -> None:
        if argument.token is None:
            raise ValueError(f"{argument.name}: an option needs a token")
        if argument.multiple and not argument.multiple_token:
            raise ValueError(f"{argument.token}: an option that repeats repeats its token")
        token = argument.token.encode()
        bare_choice = choice is not None and field == choice.field
        take = self._constant(token) if bare_choice else self._value_of(argument)
        option = _Option(argument, field, take, choice, argument.multiple)
        self._options[token] = option
        if argument.kind not in _NOT_LEAVES and choice is None and not argument.multiple:
            self._simple[token] = (field, self._reader(argument))
        if choice is None and not argument.optional:
            self._required.append(option)

    def _value_of(self, argument: Argument) -> _Take:
        """Takes the value of an argument, what its token is followed by."""
        if argument.kind == "pure-token":
            return self._constant(True)
        if argument.kind == "oneof":
            return self._one_of(argument)
        if argument.kind == "block":
            counted = len(argument.parts) == 2 and argument.parts[1].multiple
            return self._counted(argument) if counted else self._tuple(argument)
        return self._leaf(argument)

    @staticmethod
    def _constant(value: object) -> _Take:
        return lambda argv, at: (value, at)

    def _leaf(self, argument: Argument) -> _Take:
        read = self._reader(argument)

        def take(argv: list[bytes], at: int) -> tuple[object, int]:
            if at >= len(argv):
                raise self._errors.incomplete(argument)
            return argv[at] if read is None else read(argv[at]), at + 1

        return take

    def _reader(self, argument: Argument) -> _Read | None:
        """Makes the value of an argument of one word; None keeps the word."""
        if argument.convert is not None:
            return argument.convert
        if argument.kind in ("integer", "unix-time"):
            return self._integer(argument)
        if argument.kind == "double":
            return parse_float
        return None

    def _is_word(self, argument: Argument) -> bool:
        """Whether the value of an argument is a word as it is."""
        return argument.kind not in _NOT_LEAVES and self._reader(argument) is None

    def _integer(self, argument: Argument) -> Callable[[bytes], int]:
        low, high = argument.low, argument.high

        def read(word: bytes) -> int:
            number = read_integer(word)
            if number is None or not low <= number <= high:
                raise self._errors.not_integer(argument, word)
            return number

        return read

    def _one_of(self, argument: Argument) -> _Take:
        """Takes one of several tokens."""
        tokens = {(part.token or "").encode() for part in argument.parts}

        def take(argv: list[bytes], at: int) -> tuple[object, int]:
            word = argv[at].upper() if at < len(argv) else b""
            if word not in tokens:
                raise self._errors.incomplete(argument)
            return word, at + 1

        return take

    def _tuple(self, argument: Argument) -> _Take:
        takes = [self._value_of(part) for part in argument.parts]

        def take(argv: list[bytes], at: int) -> tuple[object, int]:
            if at + len(takes) > len(argv):
                raise self._errors.incomplete(argument)
            values = []
            for take_part in takes:
                value, at = take_part(argv, at)
                values.append(value)
            return tuple(values), at

        return take

    def _counted(self, argument: Argument) -> _Take:
        """Takes a count and so many values."""
        number, item = argument.parts
        read = self._reader(item)

        def take(argv: list[bytes], at: int) -> tuple[object, int]:
            if at >= len(argv):
                raise self._errors.incomplete(argument)
            first = at + 1
            count = read_integer(argv[at])
            if count is None or not number.low <= count <= number.high:
                raise self._errors.not_count(argument, argv[at])
            end = first + count
            if end > len(argv):
                raise self._errors.incomplete(argument)
            words = argv[first:end]
            return words if read is None else [read(word) for word in words], end

        return take

    def _all_of(self, argument: Argument) -> _Take:
        """Takes values up to the last word."""
        if argument.kind != "block":
            read = self._reader(argument)
            if read is None:
                return lambda argv, at: (argv[at:], len(argv))
            return lambda argv, at: ([read(word) for word in argv[at:]], len(argv))
        size = len(argument.parts)
        if all(self._is_word(part) for part in argument.parts):

            def take_words(argv: list[bytes], at: int) -> tuple[object, int]:
                if (len(argv) - at) % size:
                    raise self._errors.incomplete(argument)
                words = iter(argv[at:])
                return list(zip(*[words] * size, strict=True)), len(argv)

            return take_words
        take_one = self._tuple(argument)

        def take(argv: list[bytes], at: int) -> tuple[object, int]:
            values = []
            while at < len(argv):
                value, at = take_one(argv, at)
                values.append(value)
            return values, at

        return take

    def _compare(self, command: str) -> None:
        """The class must have a field for each argument, and no other."""
        if not is_dataclass(self._request):
            raise ValueError(f"{command}: the request is not a dataclass")
        named = [*self._words, *(name for name, _ in (*self._positional, *self._optional))]
        named += [] if self._rest is None else [self._rest[0]]
        named += [option.field for option in self._options.values()]
        known = {field.name: field for field in fields(self._request)}
        if set(named) != known.keys():
            odd = sorted(set(named) ^ known.keys())
            raise ValueError(f"{command}: {odd} are not both arguments and fields")
        always = {*self._words, *(name for name, _ in self._positional)}
        always |= {option.field for option in self._required}
        always |= set() if self._rest is None else {self._rest[0]}
        for name, field in known.items():
            has_default = field.default is not MISSING or field.default_factory is not MISSING
            if has_default == (name in always):
                raise ValueError(f"{command}: only the fields of options have defaults, {name}")

    # --- parsing ------------------------------------------------------------------------

    def parse(self, argv: list[bytes]) -> R:
        """The request; CommandError if a word of it is wrong. The arity was checked."""
        values: dict[str, object] = {}
        at = self._start
        for field in self._words:
            values[field] = argv[at]
            at += 1
        for field, take in self._positional:
            values[field], at = take(argv, at)
        for field, take in self._optional:
            if at >= len(argv) or argv[at].upper() in self._options:
                break
            values[field], at = take(argv, at)
        if self._rest is not None:
            if not self._rest_or_options:
                at = self._parse_leading(argv, at, values)
            field, take = self._rest
            if self._rest_or_options and at < len(argv) and argv[at].upper() in self._options:
                values[field] = []
            else:
                values[field], at = take(argv, at)
        # Most requests end with simple options in upper case, which need no more than this.
        simple, last = self._simple, len(argv) - 1
        while at < last and (option := simple.get(argv[at])) is not None:
            field, read = option
            if field in values:
                break
            word = argv[at + 1]
            values[field] = word if read is None else read(word)
            at += 2
        if at <= last:
            self._parse_options(argv, at, values)
        for required in self._required:
            if required.field not in values:
                raise self._errors.missing(required.argument)
        return self._request(**values)

    def _parse_leading(self, argv: list[bytes], at: int, values: dict[str, object]) -> int:
        """Parse the options that stand before a list that takes all words up to the end."""
        while at < len(argv) and (option := self._options.get(argv[at].upper())) is not None:
            if option.field in values:
                raise self._errors.repeated(option.argument)
            values[option.field], at = option.take(argv, at + 1)
        return at

    def _parse_options(self, argv: list[bytes], at: int, values: dict[str, object]) -> None:
        errors = self._errors
        chosen: dict[str, _Option] = {}
        while at < len(argv):
            option = self._options.get(argv[at].upper())
            if option is None:
                raise errors.unknown(argv[at])
            if option.choice is not None:
                before = chosen.setdefault(option.choice.name, option)
                if before is not option:
                    raise errors.exclusive(before.argument, option.argument)
            value, at = option.take(argv, at + 1)
            if option.gathers:
                gathered = values.setdefault(option.field, [])
                assert isinstance(gathered, list)
                gathered.append(value)
            elif option.field in values and not errors.repeats:
                raise errors.repeated(option.argument)
            else:
                values[option.field] = value
