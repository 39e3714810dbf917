"""The locked dependencies: that they fit pyproject.toml, and the report of scripts/audit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.audit_report import findings
from tests.support.processes import ROOT

_LOCKS: dict[str, list[str]] = {"run": [], "develop": ["dev"]}
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _locked(name: str) -> dict[str, tuple[Version, int]]:
    """The version of each package of a lock file, and how many hashes it has."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    packages = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        found = re.match(r"([a-z0-9-]+)==(\S+)(?: ; [^\\]*?)?\s+--hash", line)
        assert found, line
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?:\s|$)", line)
        packages[found[1]] = (Version(found[2]), len(hashes))
    return packages


def _required(extras: list[str]) -> list[Requirement]:
    project = _PROJECT["project"]
    texts = [*project["dependencies"], *_PROJECT["build-system"]["requires"]]
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", _LOCKS)
def test_every_requirement_is_locked_to_a_version_that_it_allows(name: str) -> None:
    locked = _locked(name)
    for requirement in _required(_LOCKS[name]):
        version, hashes = locked[requirement.name]
        assert requirement.specifier.contains(version), requirement
        assert hashes, requirement


@pytest.mark.parametrize("name", [*_LOCKS, "ecosystem"])
def test_lock_files_contain_nothing_but_packages_with_hashes(name: str) -> None:
    assert all(hashes for _, hashes in _locked(name).values())
    assert "://" not in (ROOT / "requirements" / f"{name}.txt").read_text()


def test_users_get_the_versions_that_are_tested() -> None:
    assert _locked("run").items() <= _locked("develop").items()


def test_pip_refuses_a_file_with_another_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "sniffio-1.3.1-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    refused = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps",
         "--ignore-installed", "--find-links", str(tmp_path), "--require-hashes",
         "--requirement", str(_only("sniffio", tmp_path))],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert refused.returncode
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in refused.stderr


def _only(package: str, directory: Path) -> Path:
    text = (ROOT / "requirements" / "run.txt").read_text()
    found = re.search(rf"^{package}==(?:.*\\\n)*.*\n", text, re.MULTILINE)
    assert found
    path = directory / "requirements.txt"
    path.write_text(found[0])
    return path


# --- scripts/audit ------------------------------------------------------------------------


def _audit(tmp_path: Path, *packages: Mapping[str, object]) -> tuple[int, str]:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    return _run_audit(report)


def _run_audit(report: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "audit_report.py", report],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


_FINE = {"name": "trio", "version": "1", "vulns": []}
_UNKNOWN = {"name": "click", "skip_reason": "Dependency not found on PyPI"}
_BAD = {
    "name": "rich",
    "version": "1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}, {"id": "PYSEC-2", "fix_versions": []}],
}


def test_an_audit_that_checked_everything_succeeds(tmp_path: Path) -> None:
    assert _audit(tmp_path, _FINE) == (0, "1 packages checked, 0 known vulnerabilities\n")


def test_an_audit_lists_vulnerabilities(tmp_path: Path) -> None:
    status, shown = _audit(tmp_path, _FINE, _BAD)
    assert status == 1
    assert "Vulnerable: rich 1: PYSEC-1, fixed in 2\n" in shown
    assert "Vulnerable: rich 1: PYSEC-2, fixed in no version\n" in shown


def test_an_audit_that_could_not_look_everything_up_does_not_succeed(tmp_path: Path) -> None:
    status, shown = _audit(tmp_path, _FINE, _UNKNOWN)
    assert (status, "Not checked: click" in shown) == (2, True)
    nothing = (2, "Not checked: the vulnerability database could not be reached.\n")
    assert _audit(tmp_path, _UNKNOWN) == nothing
    empty = tmp_path / "empty.json"
    empty.touch()
    assert _run_audit(empty) == nothing
    assert findings({}).status == 2
