"""Reading the tables of a script.

`table[key]` runs functions of the script if the table has a metatable with `__index`; only the
iterators read a table as it is.
"""

from __future__ import annotations

from commands.scripting.libraries.services import LuaValue, Services

# Memory of a value that is held in a list.
_VALUE = 48
_CHECK_EVERY = 1000


def array_items(services: Services, table: LuaValue, length: int) -> list[LuaValue]:
    """The values at 1 to `length`, of a table that has no key but some of these."""
    services.check(8 * length)
    items: list[LuaValue] = [None] * length
    for at, (key, value) in enumerate(table.items()):
        if at % _CHECK_EVERY == 0:
            services.check(8 * length + _VALUE * at)
        if key <= length:
            items[key - 1] = value
    return items
