"""The shape of the code: who imports whom, who may wait, what a module may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from commands.engine.registry import Command
from commands.families import load

ROOT = Path(__file__).resolve().parent.parent

# From the outside in; each may import those after it.
LAYERS = ("redkeep", "server", "commands", "storage")
# The redkeep modules that run in the server's own process, and so may import its layers.
IN_PROCESS = frozenset({"redkeep/cli.py", "redkeep/check.py", "redkeep/transfer.py"})
# Inside commands/: families may import all of these, none imports a family.
SHARED_BY_FAMILIES = ("instance", "settings", "engine")
# Packages whose modules may wait.
MAY_WAIT = frozenset({"server", "redkeep"})
WAITING_MODULES = frozenset(
    {"socket", "select", "selectors", "asyncio", "trio", "threading", "ssl"}
)
MOST_LINES = 500
# Modules that are longer, each with its reason.
LONGER: dict[str, str] = {}

MODULES = sorted(
    path.relative_to(ROOT).as_posix() for layer in LAYERS for path in (ROOT / layer).rglob("*.py")
)
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "scripts").rglob("*.py"))
each_module = pytest.mark.parametrize("module", MODULES)


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(), module)


def layer_of(module: str) -> str:
    return module.split("/", 1)[0]


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.module is not None
            yield node.module


# --- who imports whom ------------------------------------------------------------------------


@each_module
def test_imports_go_inwards(module: str) -> None:
    layer = layer_of(module)
    allowed = LAYERS[LAYERS.index(layer) :]
    if layer == "redkeep" and module not in IN_PROCESS:
        allowed = ("redkeep",)
    for name in imports_of(parsed(module)):
        top = name.split(".", 1)[0]
        assert top not in LAYERS or top in allowed, f"{module} imports {name}"


def test_the_edge_to_the_system_knows_nothing_of_the_server() -> None:
    for module in MODULES:
        if module.startswith("server/system/"):
            for name in imports_of(parsed(module)):
                outside = name.split(".", 1)[0] in LAYERS and not name.startswith("server.system")
                assert not outside, f"{module} imports {name}"


@cache
def import_graph() -> dict[str, frozenset[str]]:
    """Each module of the product and the scripts, with the modules of both it imports."""
    names = {
        module.removesuffix(".py").replace("/", "."): module for module in (*MODULES, *SCRIPTS)
    }
    graph: dict[str, frozenset[str]] = {}
    for name, module in names.items():
        found = set()
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name] = frozenset((found & names.keys()) - {name})
    return graph


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Neither directly nor through others; imports for type checking count as well."""
    graph = import_graph()
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name not in finished:
            for imported in sorted(graph[name]):
                visit(imported, (*path, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


def room_of(name: str) -> str:
    """The folder of commands/ that a module belongs to; families of commands/domain/ apart."""
    parts = name.split(".")
    depth = 3 if parts[1] == "domain" and len(parts) > 3 else 2
    return ".".join(parts[1:depth]) if len(parts) > 2 else "families"


@pytest.mark.parametrize("name", [name for name in import_graph() if name.startswith("commands.")])
def test_families_import_no_other_family(name: str) -> None:
    """Families → instance → settings and engine. Families of domain/ also share domain/ itself."""
    room = room_of(name)
    for imported in import_graph()[name]:
        if not imported.startswith("commands."):
            continue
        theirs = room_of(imported)
        if theirs == room:
            continue
        message = f"{name} imports {imported}"
        if room in SHARED_BY_FAMILIES:
            assert theirs in SHARED_BY_FAMILIES[SHARED_BY_FAMILIES.index(room) :], message
        elif room.startswith("domain."):
            assert theirs in (*SHARED_BY_FAMILIES, "domain"), message
        else:
            assert theirs in SHARED_BY_FAMILIES, message


@each_module
def test_nothing_but_the_server_waits(module: str) -> None:
    if layer_of(module) in MAY_WAIT:
        return
    for name in imports_of(parsed(module)):
        assert name.split(".", 1)[0] not in WAITING_MODULES, f"{module} imports {name}"
    for node in ast.walk(parsed(module)):
        assert not isinstance(
            node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
        ), f"{module}:{node.lineno} waits"


# --- what a module may hold --------------------------------------------------------------------


@each_module
def test_modules_are_small(module: str) -> None:
    lines = (ROOT / module).read_text().count("\n")
    if module in LONGER:
        assert lines > MOST_LINES, f"{module} needs no exception any more"
    else:
        assert lines <= MOST_LINES, f"{module} has {lines} lines"


@each_module
def test_modules_say_what_they_are(module: str) -> None:
    text = ast.get_docstring(parsed(module))
    if not (ROOT / module).read_text().strip():
        return
    assert text, f"{module} has no docstring"
    assert text.rstrip()[-1] in ".:`*|}", f"{module}: its docstring does not end a sentence"


_MAKERS = frozenset(
    [
        "list",
        "dict",
        "set",
        "bytearray",
        "deque",
        "defaultdict",
        "OrderedDict",
        "Counter",
        "SortedDict",
        "SortedList",
        "SortedSet",
        "SortedKeyList",
    ]
)
_MUTATORS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "setdefault",
        "pop",
        "popitem",
        "popleft",
        "appendleft",
        "remove",
        "discard",
        "clear",
        "sort",
        "reverse",
    ]
)
# Tables that are filled by declarations while modules are imported, and constant after.
FILLED_AT_IMPORT = frozenset(
    {
        ("commands/domain/raw_rows.py", "_declared"),
        ("commands/engine/registry.py", "_declared"),
        ("commands/engine/registry.py", "_groups"),
        ("commands/engine/registry.py", "_own_groups"),
        ("commands/engine/key_layouts.py", "_declared"),
        ("commands/engine/footprints.py", "_declared"),
        ("commands/instance/group_reads.py", "_declared"),
        ("commands/operator/debugging.py", "_SUBCOMMANDS"),
        ("commands/instance/patrols.py", "_declared"),
        ("commands/instance/sweeps.py", "_declared"),
    }
)


@each_module
def test_modules_hold_no_state(module: str) -> None:
    """A collection made at module level is a constant: nobody changes it later."""
    tree = parsed(module)
    held = {
        name
        for statement in tree.body
        for name, value in _assignments(statement)
        if _is_mutable(value)
    } - {name for where, name in FILLED_AT_IMPORT if where == module}
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            own = _bound_in(function)
            for name, line in _mutated(function):
                assert name not in held - own, f"{module}:{line} changes the module's {name}"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global), f"{module}:{node.lineno} has a global"


def _assignments(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif (
        isinstance(statement, ast.AnnAssign)
        and statement.value is not None
        and isinstance(statement.target, ast.Name)
    ):
        yield statement.target.id, statement.value


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)):
        return True
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else None
        name = function.id if isinstance(function, ast.Name) else name
        return name in _MAKERS
    return False


def _bound_in(function: ast.AST) -> set[str]:
    """Names that are the function's own."""
    arguments = function.args  # type: ignore[attr-defined]
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    listed += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    own = {argument.arg for argument in listed}
    own |= {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return own


def _mutated(function: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
            if isinstance(node.value, ast.Name):
                yield node.value.id, node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder = node.func.value
            if isinstance(holder, ast.Name) and node.func.attr in _MUTATORS:
                yield holder.id, node.lineno


# --- handlers ------------------------------------------------------------------------------------


def declared() -> list[Command]:
    found = []
    for top in load().values():
        found += [top, *top.subcommands.values()]
    return [entry for entry in found if not entry.subcommands]


# Names that Python keeps for itself end in an underscore, as `del_` does.
@pytest.mark.parametrize("entry", declared(), ids=lambda entry: entry.wire_name)
def test_handlers_are_named_after_their_command(entry: Command) -> None:
    name = entry.handler.__name__
    shared = sum(other.handler is entry.handler for other in declared()) > 1
    if shared or entry.name.endswith((" HELP", ".HELP")):
        return
    expected = entry.wire_name.replace("|", "_").replace("-", "_").replace(".", "_")
    assert name.rstrip("_") == expected, f"{entry.name} is handled by {name}"
