"""The functions of an instance, in libraries that clients have loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from commands.engine.effects import ScriptDoor
from commands.engine.errors import CommandError
from commands.engine.replies import Reply
from commands.instance.instance import Instance
from commands.scripting.engine import Engine
from commands.scripting.sandbox import CompileError, Functions, Registration, ScriptError
from commands.scripting.scripts import scripts_of
from commands.scripting.shebang import split_metadata

# How long the code of a library may run when a client loads it, as in Redis, and when it comes
# from a data file: there it has run before, and the machine may be busy.
_CLIENT_SECONDS, _FILE_SECONDS = 0.5, 60.0
# How long all libraries may take that a client restores at once.
_RESTORE_SECONDS = 5.0
_TIMEOUT = b"ERR FUNCTION LOAD timeout"


@dataclass(frozen=True, slots=True)
class Library:
    """A library, whose code was run in an interpreter that keeps its functions."""

    name: bytes
    code: bytes
    functions: Functions
    registrations: Sequence[Registration]

    @property
    def code_memory(self) -> int:
        return sys.getsizeof(self.code) + sum(
            sys.getsizeof(each) + sys.getsizeof(each.name) + sys.getsizeof(each.description)
            for each in self.registrations
        )


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called."""

    library: Library
    registration: Registration


class _Collection:
    """Libraries of one interpreter, none of which has a function that another one has."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        # Made when it is first needed.
        self.engine: Engine | None = None
        self.libraries: dict[bytes, Library] = {}
        # By their names in lower case.
        self._functions: dict[bytes, Function] = {}

    @property
    def function_count(self) -> int:
        return sum(len(library.registrations) for library in self.libraries.values())

    def find(self, name: bytes) -> Function | None:
        return self._functions.get(name.lower())

    def load(self, code: bytes, *, taken: Iterable[bytes], seconds: float) -> Library:
        """Run the code of a library, but do not add it; CommandError if it fails.

        It must not have one of these names.
        """
        name, text = split_metadata(code)
        if name in taken:
            raise CommandError(b"ERR Library '%b' already exists" % name)
        if self.engine is None:
            instance = self._instance
            memory, random = instance.settings.script_memory_limit, scripts_of(instance).random
            self.engine = Engine(memory, random, for_functions=True)
        try:
            functions, registrations = self.engine.load(text, _LoadingDoor(seconds))
        except CompileError as error:
            raise CommandError(b"ERR Error compiling function: " + error.text) from None
        except ScriptError as error:
            raise CommandError(b"ERR Error registering functions: " + error.text) from None
        if not registrations:
            raise CommandError("ERR No functions registered")
        return Library(name, code, functions, registrations)

    def check(self, library: Library, replaced: Iterable[bytes]) -> None:
        """CommandError if another library has one of its functions, unless that is replaced."""
        for registration in library.registrations:
            known = self.find(registration.name)
            if known is not None and known.library.name not in replaced:
                raise CommandError(b"ERR Function %b already exists" % registration.name)

    def put(self, library: Library) -> None:
        """Add a library that has been checked."""
        self.libraries[library.name] = library
        for registration in library.registrations:
            # As in Redis, a library can have two functions whose names differ in case, and the
            # first one is called.
            self._functions.setdefault(registration.name.lower(), Function(library, registration))

    def remove(self, name: bytes) -> bool:
        """Remove a library; whether there was one."""
        library = self.libraries.pop(name, None)
        if library is None:
            return False
        for registration in library.registrations:
            self._functions.pop(registration.name.lower(), None)
        return True


class Libraries:
    """The libraries of an instance. A change takes place as a whole or not at all."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._loaded = _Collection(instance)

    def __len__(self) -> int:
        return len(self._loaded.libraries)

    def __iter__(self) -> Iterator[Library]:
        return iter(self._loaded.libraries.values())

    @property
    def function_count(self) -> int:
        return self._loaded.function_count

    @property
    def memory_used(self) -> int:
        engine = self._loaded.engine
        return 0 if engine is None else engine.memory_used

    @property
    def code_memory(self) -> int:
        return sum(library.code_memory for library in self)

    def codes(self) -> list[bytes]:
        return [library.code for library in self]

    def find(self, name: bytes) -> Function | None:
        return self._loaded.find(name)

    # --- changes ----------------------------------------------------------------------------

    def load(self, code: bytes, *, replace: bool) -> bytes:
        """Load a library and return its name; CommandError if that fails."""
        loaded = self._loaded
        taken = () if replace else loaded.libraries
        library = loaded.load(code, taken=taken, seconds=self._seconds)
        loaded.check(library, (library.name,))
        loaded.remove(library.name)
        loaded.put(library)
        return library.name

    def add(self, codes: Iterable[bytes], *, replace: bool) -> None:
        """Load all of these libraries; CommandError if one fails."""
        loaded = self._loaded
        added = _Collection(self._instance)
        # Both have the interpreter in which the libraries are to stay.
        added.engine = loaded.engine
        self._fill(added, codes)
        loaded.engine = added.engine
        names = added.libraries.keys()
        for library in added.libraries.values():
            if library.name in loaded.libraries and not replace:
                raise CommandError(b"ERR Library %b already exists" % library.name)
            loaded.check(library, names)
        for name in names:
            loaded.remove(name)
        for library in added.libraries.values():
            loaded.put(library)

    def replace_all(self, codes: Iterable[bytes]) -> None:
        """Load these libraries in place of the present ones; CommandError if one fails."""
        loaded = _Collection(self._instance)
        self._fill(loaded, codes)
        self._loaded = loaded

    def _fill(self, collection: _Collection, codes: Iterable[bytes]) -> None:
        until = perf_counter() + _RESTORE_SECONDS
        for code in codes:
            seconds = self._seconds
            if not self._is_loading:
                seconds = min(seconds, until - perf_counter())
            library = collection.load(code, taken=collection.libraries, seconds=seconds)
            collection.check(library, ())
            collection.put(library)

    def remove(self, name: bytes) -> bool:
        """Remove a library; whether there was one."""
        return self._loaded.remove(name)

    def clear(self) -> None:
        """Remove all libraries, and the interpreter with whatever memory it holds."""
        self._loaded = _Collection(self._instance)

    @property
    def _seconds(self) -> float:
        return _FILE_SECONDS if self._is_loading else _CLIENT_SECONDS

    @property
    def _is_loading(self) -> bool:
        """Whether libraries come from a data file now."""
        return self._instance.persistence.load is not None

    # --- calls ------------------------------------------------------------------------------

    def call(
        self, function: Function, keys: list[bytes], arguments: list[bytes], door: ScriptDoor
    ) -> Reply:
        """Run a function; CommandError with its name and the line if it fails."""
        engine = self._loaded.engine
        assert engine is not None
        name = function.registration.name
        try:
            return engine.call_function(function.library.functions, name, keys, arguments, door)
        except ScriptError as error:
            raise error.of(name) from None


class _LoadingDoor:
    """What the code of a library reaches while it is loaded: nothing, and not for long."""

    def __init__(self, seconds: float) -> None:
        self._until = perf_counter() + seconds

    def call(self, argv: list[bytes]) -> Reply:
        raise CommandError("ERR a library cannot run commands while it is loaded")

    def permits(self, argv: list[bytes]) -> bool:
        raise CommandError("ERR a library cannot run commands while it is loaded")

    def interrupted(self) -> bytes | None:
        return _TIMEOUT if perf_counter() > self._until else None


def libraries_of(instance: Instance) -> Libraries:
    """The libraries of an instance."""
    if instance.libraries is None:
        instance.libraries = Libraries(instance)
    assert isinstance(instance.libraries, Libraries)
    return instance.libraries
