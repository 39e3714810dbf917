"""Summarises a report of pip-audit; used by scripts/audit.

pip-audit itself succeeds if it could not look anything up, so what counts here is how many
packages it has really checked.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

_NONE_KNOWN, _VULNERABLE, _NOT_CHECKED = 0, 1, 2


@dataclass
class Findings:
    """Packages by what was found out about them."""

    checked: int = 0
    # One line for each known vulnerability.
    vulnerabilities: list[str] = field(default_factory=list)
    # Packages that could not be looked up.
    unknown: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        if self.vulnerabilities:
            return _VULNERABLE
        return _NOT_CHECKED if self.unknown or not self.checked else _NONE_KNOWN

    def lines(self) -> list[str]:
        """What to show to a person."""
        shown = [f"Vulnerable: {line}" for line in self.vulnerabilities]
        if not self.checked:
            return ["Not checked: the vulnerability database could not be reached."]
        if self.unknown:
            shown.append(f"Not checked: {', '.join(self.unknown)}")
        count = len(self.vulnerabilities)
        return [*shown, f"{self.checked} packages checked, {count} known vulnerabilities"]


def findings(report: dict[str, Any]) -> Findings:
    """Read a report in pip-audit's JSON format."""
    result = Findings()
    for package in report.get("dependencies", []):
        if "skip_reason" in package:
            result.unknown.append(package["name"])
            continue
        result.checked += 1
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version"
            result.vulnerabilities.append(
                f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"
            )
    return result


def main(path: str) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            result = findings(json.load(file))
    except ValueError:
        # pip-audit ended before it wrote a report.
        result = Findings()
    print(*result.lines(), sep="\n")
    return result.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
