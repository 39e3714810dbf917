"""The table of namespaces of raw rows."""

from __future__ import annotations

import pytest

from commands.domain.raw_rows import declare_namespace, find_namespace
from commands.engine.errors import CommandError
from commands.families import load


@pytest.fixture(autouse=True)
def loaded() -> None:
    load()


def test_a_namespace_is_found_by_its_name() -> None:
    assert find_namespace(b"jobs") is not find_namespace(b"models")


def test_an_unknown_namespace_is_an_error() -> None:
    with pytest.raises(CommandError, match="NAMESPACE unknown namespace 'dogs'"):
        find_namespace(b"dogs")


def test_a_namespace_cannot_be_declared_twice() -> None:
    models = find_namespace(b"models")
    with pytest.raises(ValueError, match="the namespace jobs is declared twice"):
        declare_namespace("jobs", models.rows, models.footprint, models.family)
