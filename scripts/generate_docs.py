"""The command reference and the list of settings, written from the declarations.

`scripts/generate_docs.py` writes docs/commands/*.md and docs/SETTINGS.md; with `--check` it
writes nothing and fails if they are not what it would write.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from commands import families  # noqa: E402
from commands.engine.registry import Command  # noqa: E402
from commands.engine.usage import usage  # noqa: E402
from commands.settings.setting import Setting  # noqa: E402
from commands.settings.settings import TABLE  # noqa: E402

NOTE = "<!-- Written by scripts/generate_docs.py from the declarations; do not edit. -->\n"

TITLES = {
    "generic": "Keys",
    "string": "Strings",
    "bitmap": "Bitmaps",
    "hash": "Hashes",
    "list": "Lists",
    "set": "Sets",
    "sorted_set": "Sorted sets",
    "hyperloglog": "HyperLogLogs",
    "geo": "Geo",
    "stream": "Streams",
    "pubsub": "Publish and subscribe",
    "transactions": "Transactions",
    "connection": "Connection and clients",
    "server": "Server",
    "cluster": "Cluster",
    "scripting": "Scripting",
    "job": "Jobs",
    "model": "Models",
    "checkpoint": "Checkpoints",
    "store": "Memory store",
    "queue": "Queues",
}


def every_command() -> Iterator[Command]:
    for command in families.load().values():
        if command.subcommands:
            yield from command.subcommands.values()
        else:
            yield command


def page_name(group: str) -> str:
    return TITLES[group].lower().replace(" ", "-") + ".md"


def syntax(command: Command) -> str:
    return f"{command.name} {usage(command.arguments)}".strip()


def described(command: Command) -> str:
    """The docstring of a command, each transcript in a fenced block of its own."""
    paragraphs = (inspect.getdoc(command.handler) or "").split("\n\n")
    return "\n\n".join(
        f"```\n{textwrap.dedent(paragraph)}\n```"
        if paragraph.lstrip().startswith("> ")
        else paragraph
        for paragraph in paragraphs
    )


def command_page(group: str, members: list[Command]) -> str:
    lines = [NOTE, f"# {TITLES[group]}\n"]
    for command in members:
        lines.append(f"## {command.name}\n")
        lines.append(f"    {syntax(command)}\n")
        lines.append(command.summary + "\n")
        if command.handler.__doc__:
            lines.append(described(command) + "\n")
        categories = " ".join(f"@{name}" for name in sorted(command.categories))
        facts = [f"since {command.since}", command.complexity.rstrip("."), categories]
        lines.append("*" + " · ".join(fact for fact in facts if fact) + "*\n")
        if command.deprecated:
            version, instead = command.deprecated
            lines.append(f"Deprecated since {version}: {instead.rstrip('.')}.\n")
    return "\n".join(lines)


def index_page(groups: dict[str, list[Command]]) -> str:
    lines = [NOTE, "# Commands\n"]
    total = sum(len(members) for members in groups.values())
    lines.append(f"{total} commands and subcommands, by family.\n")
    for group, members in groups.items():
        names = ", ".join(f"`{command.name}`" for command in members)
        lines.append(f"**[{TITLES[group]}]({page_name(group)})**: {names}\n")
    return "\n".join(lines)


def settings_page() -> str:
    lines = [NOTE, "# Settings\n"]
    lines.append(
        "Each can stand in a file of redis.conf form, on the command line of "
        "`redkeep serve` as `--name value`, and (unless marked *start only*) in "
        "`CONFIG SET`.\n"
    )
    lines.append("| setting | default | what it does |\n|---|---|---|")
    lines += [setting_row(setting) for setting in TABLE if not setting.inert]
    lines.append("\n## Accepted without effect\n")
    lines.append(
        "Clients, test suites and redis.conf files may set these; they are remembered and "
        "shown by `CONFIG GET`, and change nothing.\n"
    )
    lines.append(", ".join(f"`{setting.name}`" for setting in TABLE if setting.inert) + "\n")
    return "\n".join(lines)


def setting_row(setting: Setting[Any]) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    text = setting.help.replace("|", "\\|")
    if not setting.mutable:
        text += " *Start only.*"
    return f"| `{setting.name}` | {default} | {text} |"


def pages() -> dict[Path, str]:
    groups: dict[str, list[Command]] = {group: [] for group in TITLES}
    for command in every_command():
        groups[command.group].append(command)
    groups = {group: sorted(m, key=lambda c: c.name) for group, m in groups.items() if m}
    written = {ROOT / "docs/SETTINGS.md": settings_page()}
    written[ROOT / "docs/commands/README.md"] = index_page(groups)
    for group, members in groups.items():
        written[ROOT / "docs/commands" / page_name(group)] = command_page(group, members)
    return {path: text.rstrip("\n") + "\n" for path, text in written.items()}


def main() -> None:
    check = "--check" in sys.argv[1:]
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date; run scripts/generate_docs.py")
        sys.exit(bool(stale))
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
