"""Texts of errors are written in the source; what clients sent or stored is put in as data."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "commands/domain").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_texts_of_errors_are_literals(module: str) -> None:
    """Names are put into a text, never joined to it: braces in one must not stand for another."""
    for call in ast.walk(ast.parse((ROOT / module).read_text())):
        if not isinstance(call, ast.Call):
            continue
        called, place = call.func, f"{module}:{call.lineno}"
        # `Thread.failure` takes names only.
        if isinstance(called, ast.Name) and called.id == "failure":
            assert isinstance(call.args[1], ast.Constant), place
        if isinstance(called, ast.Attribute):
            assert called.attr not in ("format", "format_map"), place
