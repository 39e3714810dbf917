"""The scripts of an instance: those that were loaded, by their SHA1."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1

from commands.engine.effects import ScriptDoor
from commands.engine.errors import CommandError
from commands.engine.replies import Reply
from commands.instance.instance import Instance
from commands.scripting.engine import Engine
from commands.scripting.sandbox import Script, ScriptError
from commands.scripting.shebang import split_shebang

# Of a SHA1 in hex digits.
SHA_LENGTH = 40
# How many scripts of EVAL are kept, as in Redis 7.4.
_MOST_PASSING = 500


@dataclass(frozen=True, slots=True)
class LoadedScript:
    """A script that can be run."""

    sha: bytes
    body: bytes
    compiled: Script
    flags: frozenset[bytes] | None


class Scripts:
    """The interpreter of an instance, made when it is first needed, and its scripts."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._engine: Engine | None = None
        self._loaded: dict[bytes, LoadedScript] = {}
        # Those of EVAL, oldest first.
        self._passing: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._loaded)

    @property
    def memory_used(self) -> int:
        return 0 if self._engine is None else self._engine.memory_used

    def find(self, sha: bytes) -> LoadedScript | None:
        return self._loaded.get(sha) or self._loaded.get(sha.lower())

    def load(self, body: bytes, *, keep: bool = False) -> LoadedScript:
        """Compile a script, unless it is known; CommandError if it is not valid.

        Of the scripts that need not be kept, because EVAL brings them along, the latest are.
        """
        sha = sha1(body, usedforsecurity=False).hexdigest().encode()
        known = self._loaded.get(sha)
        if keep:
            self._passing.pop(sha, None)
        if known is not None:
            return known
        text, flags = split_shebang(body)
        if self._engine is None:
            self._engine = Engine(self._instance.settings.script_memory_limit)
        try:
            compiled = self._engine.compile(text)
        except ScriptError as error:
            raise CommandError(
                b"ERR Error compiling script (new function): " + error.text
            ) from None
        loaded = self._loaded[sha] = LoadedScript(sha, body, compiled, flags)
        if not keep:
            self._passing[sha] = None
            if len(self._passing) > _MOST_PASSING:
                oldest = next(iter(self._passing))
                del self._passing[oldest], self._loaded[oldest]
        return loaded

    def run(
        self, script: LoadedScript, keys: list[bytes], arguments: list[bytes], door: ScriptDoor
    ) -> Reply:
        """Run a script; CommandError with the script and the line if it fails."""
        assert self._engine is not None
        try:
            return self._engine.run(script.compiled, keys, arguments, door)
        except ScriptError as error:
            where = b" script: %b, on %b:%d." % (script.sha, error.source, error.line)
            raise CommandError(error.text + (where if error.line else b"")) from None

    def flush(self) -> None:
        """Forget all scripts, and the interpreter with whatever memory it holds."""
        self._loaded.clear()
        self._passing.clear()
        self._engine = None


def scripts_of(instance: Instance) -> Scripts:
    """The scripts of an instance."""
    if instance.scripts is None:
        instance.scripts = Scripts(instance)
    assert isinstance(instance.scripts, Scripts)
    return instance.scripts
