"""Containers of subcommands, and the HELP of containers and families."""

from __future__ import annotations

from commands.engine.help import family_help_lines, help_lines
from commands.engine.registry import command, commands, group_category


def container(
    name: str,
    *,
    group: str,
    summary: str,
    since: str,
    help_since: str | None = None,
    flags: str = "",
    arity: int = -2,
    categories: str = "",
    without: str = "",
) -> None:
    """Declare a command that has only subcommands, and its HELP."""

    def no_subcommand(ctx: object, argv: list[bytes]) -> None:
        raise AssertionError("the dispatcher resolves subcommands")

    command(
        name,
        group=group,
        summary=summary,
        since=since,
        flags=flags,
        arity=arity,
        complexity="Depends on subcommand.",
        categories=categories,
        # The categories of a group belong to the subcommands, not to their container.
        without=f"{without} {group_category(group) or ''}",
    )(no_subcommand)
    declare_help(name, group=group, since=help_since or max(since, "5.0.0"))


def declare_help(name: str, *, group: str, since: str, categories: str = "") -> None:
    """Declare the HELP of a command that has subcommands."""

    def show_help(ctx: object, argv: list[bytes]) -> list[str]:
        return help_lines(commands()[name])

    command(
        f"{name} HELP",
        group=group,
        summary="Lists the subcommands with their arguments.",
        since=since,
        flags="loading stale",
        categories=categories,
        without="pubsub",
    )(show_help)


def declare_family_help(prefix: str, *, group: str, since: str) -> None:
    """Declare `<prefix>.HELP` for a family of commands whose names begin with `<prefix>.`."""

    def show_help(ctx: object, argv: list[bytes]) -> list[str]:
        family = [entry for name, entry in commands().items() if name.startswith(f"{prefix}.")]
        return family_help_lines(prefix, family)

    command(
        f"{prefix}.HELP",
        group=group,
        summary="Lists the commands of the family with their arguments.",
        since=since,
        flags="loading stale",
    )(show_help)
