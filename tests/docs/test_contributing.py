"""The worked examples of CONTRIBUTING.md apply to the code as it is, and their tests pass."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.guides import GuideError, sections

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = ROOT / "CONTRIBUTING.md"
SECTIONS = sections(GUIDE.read_text())
EXAMPLES = ["Add a command", "Add a data type", "Add a setting"]

# What scripts/check runs, without the virtual environment that it would create in a copy.
CHECKS = ["ruff format --check .", "ruff check .", "mypy", "scripts.generate_docs --check"]
# An example takes 15 seconds of processor time, but a busy machine may need far longer.
_SECONDS = 300
pytestmark = pytest.mark.timeout(2 * _SECONDS)


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """The files of this checkout that Git does not ignore."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listing.returncode:
        pytest.skip("not a Git checkout")
    names = listing.stdout.decode().split("\0")
    return [name for name in names if name and (ROOT / name).exists()]


@pytest.fixture
def checkout(tracked: list[str], tmp_path: Path) -> Path:
    """A copy of this checkout."""
    for name in tracked:
        target = tmp_path / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return tmp_path / "checkout"


def run(command: str, checkout: Path) -> None:
    """Run a Python module with arguments in the copy; fail with its output."""
    # Settings of the pytest and coverage that run this test are not for the copy.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV"))}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=checkout, env=inherited, timeout=_SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}"


def pytest_command(arguments: Iterable[str]) -> str:
    # In a copy, this file would run the examples again.
    ignored = Path(__file__).relative_to(ROOT)
    return f"pytest -q -p no:cacheprovider --ignore={ignored} {' '.join(arguments)}"


def arguments_of_tests(commands: list[str]) -> list[str]:
    """The arguments of each `scripts/test`."""
    return [line.removeprefix("scripts/test ") for line in commands if "scripts/test " in line]


@pytest.mark.parametrize("title", EXAMPLES)
def test_example_works(title: str, checkout: Path) -> None:
    example = SECTIONS[title]
    example.apply(checkout)
    written = [name for name in example.files if Path(name).name.startswith("test_")]
    tests = " ".join(arguments_of_tests(example.commands)).split()
    assert written and "tests/test_architecture.py" in tests
    assert all(any(Path(name).is_relative_to(path) for path in tests) for name in written)
    assert (example.commands[0], example.commands[-1]) == ("scripts/docs", "scripts/check")
    assert len(example.commands) == 2 + len(arguments_of_tests(example.commands))
    for command in ("scripts.generate_docs", pytest_command(tests), *CHECKS):
        run(command, checkout)


def test_the_commands_for_single_tests_find_tests() -> None:
    commands = SECTIONS["Run one test"].commands
    assert commands
    for arguments in arguments_of_tests(commands):
        run(pytest_command(["--collect-only", arguments]), ROOT)
    assert len(arguments_of_tests(commands)) == len(commands)


def test_the_scripts_that_the_guide_names_exist() -> None:
    for example in SECTIONS.values():
        for command in example.commands:
            assert os.access(ROOT / command.split()[0], os.X_OK), command


# --- the reader of guides -------------------------------------------------------------------


def guide(block: str) -> str:
    return f"## Title\n\n{block}\n"


def test_a_change_is_made_where_its_lines_are(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    block = "```diff\n--- a/a.txt\n+++ b/a.txt\n@@\n one\n-two\n+2\n@@\n three\n+four\n```"
    sections(guide(block))["Title"].apply(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "one\n2\nthree\nfour\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("two\n", "0 times"), ("one\none\n", "2 times"), ("one more\n", "0 times")],
)
def test_a_change_that_does_not_fit_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    block = "```diff\n--- a/a.txt\n+++ b/a.txt\n@@\n one\n+two\n```"
    with pytest.raises(GuideError, match=reason):
        sections(guide(block))["Title"].apply(tmp_path)
    assert (tmp_path / "a.txt").read_text() == text


def test_a_file_that_exists_is_not_new(tmp_path: Path) -> None:
    example = sections(guide("`a.py`, a new file:\n\n```python\nx = 1\n```"))["Title"]
    example.apply(tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 1\n"
    with pytest.raises(GuideError, match=r"a\.py is not a new file"):
        example.apply(tmp_path)


@pytest.mark.parametrize(
    "block",
    [
        "```python\nx = 1\n```",
        "```yaml\nx: 1\n```",
        "```diff\n--- a/a.txt\n+++ b/b.txt\n@@\n one\n+two\n```",
        "```diff\n--- a/a.txt\n+++ b/a.txt\n@@\n+two\n```",
    ],
)
def test_a_block_that_is_not_understood_is_refused(block: str) -> None:
    with pytest.raises(GuideError):
        sections(guide(block))
