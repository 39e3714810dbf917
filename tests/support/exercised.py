"""The commands that tests send, found in their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# The tests of completeness name every command, which would make each of them exercised.
_NOT_COUNTED = frozenset({"test_completeness.py", "test_domain_completeness.py"})


@cache
def exercised_names() -> frozenset[str]:
    """Return the words that the tests use in the place of a command's name.

    That is the first word (or first two) of the arguments of a call, of a tuple or list, or of a
    string of words. Subcommands are joined as in "client|list".
    """
    found: set[str] = set()
    for path in sorted(TESTS.rglob("*.py")):
        if path.name in _NOT_COUNTED:
            continue
        for words in _sequences(ast.parse(path.read_text())):
            found.add(words[0])
            found.add("|".join(words[:2]))
    return frozenset(found)


def _sequences(tree: ast.AST) -> Iterator[list[str]]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in prose:
            continue
        if isinstance(node, ast.Call):
            yield from _leading_words(node.args)
        elif isinstance(node, (ast.Tuple, ast.List)):
            yield from _leading_words(node.elts)
        elif isinstance(node, ast.Constant):
            words = _text(node).split()
            if words:
                yield [word.lower() for word in words[:2]]


def _leading_words(nodes: list[ast.expr]) -> Iterator[list[str]]:
    words = []
    for node in nodes[:2]:
        if not isinstance(node, ast.Constant) or not _text(node):
            break
        words.append(_text(node).lower())
    if words:
        yield words


def _text(node: ast.Constant) -> str:
    if isinstance(node.value, bytes):
        return node.value.decode("latin-1")
    return node.value if isinstance(node.value, str) else ""
