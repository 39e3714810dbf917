"""The commands and categories that rules can name, as bits of one number.

A selector keeps the commands that it allows as such a number: a few bytes for each user, however
many commands there are, and a category is added or removed in one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from commands.engine.registry import CATEGORIES, Command, own_groups

# Redis' categories in the order of ACL CAT; those of families that Redis does not have follow.
_REDIS_ORDER = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub "
    "admin fast slow blocking dangerous connection transaction scripting"
).split()


class Catalogue:
    """All commands and subcommands of a server."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        """`commands` are those of the top level, by their upper-case names."""
        self._top = commands
        every = [each for top in commands.values() for each in (top, *top.subcommands.values())]
        self.bits = {command: 1 << place for place, command in enumerate(every)}
        self.all = (1 << len(every)) - 1
        self._members = {name: list(self._in_category(name)) for name in self.categories()}
        self._masks = {
            name: sum(self.bits[command] for command in members)
            for name, members in self._members.items()
        }

    @staticmethod
    def categories() -> list[str]:
        """The names of all categories."""
        assert set(_REDIS_ORDER) == CATEGORIES
        return [*_REDIS_ORDER, *sorted(own_groups())]

    def _in_category(self, name: str) -> Iterator[Command]:
        # As in Redis, a container of the category brings all its subcommands.
        for top in self._top.values():
            if name in top.categories:
                yield top
                yield from top.subcommands.values()
            else:
                yield from (each for each in top.subcommands.values() if name in each.categories)

    def category(self, name: str) -> tuple[int, list[Command]]:
        """The bits of a category, and its commands."""
        return self._masks[name], self._members[name]

    def listed_in(self, name: str) -> list[Command]:
        """The commands that have a category themselves."""
        return [command for command in self.bits if name in command.categories]

    def find(self, name: bytes) -> Command | None:
        """The command with this name in rules: `get`, `config|set`."""
        words = name.upper().decode("latin-1").split("|")
        found = self._top.get(words[0])
        if found is None or len(words) == 1:
            return found
        return found.subcommands.get(words[1]) if len(words) == 2 else None
