"""CONFIG: reading and changing settings at run time."""

from __future__ import annotations

from typing import Any

from commands.engine.containers import container
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, String
from commands.engine.patterns import glob_matcher, has_glob
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from commands.settings import config_file
from commands.settings.kinds import SettingError
from commands.settings.setting import Setting
from commands.settings.settings import ALIASES, BY_NAME, ChangeRefused, Settings

_TO_ALL_NODES = ["request_policy:all_nodes", "response_policy:all_succeeded"]

container(
    "CONFIG",
    group="server",
    since="2.0.0",
    summary="Contains commands for the settings of the server.",
)


@command(
    "CONFIG GET",
    group="server",
    since="2.0.0",
    flags="admin noscript loading stale",
    complexity="O(N) for N settings requested",
    summary="Returns the settings whose names match.",
    arguments=[String("parameter", multiple=True)],
)
def config_get(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.instance.settings
    values: dict[bytes, bytes] = {}
    for pattern in argv[2:]:
        if has_glob(pattern):
            matches = glob_matcher(pattern, ignore_case=True)
            for name, setting in _listed():
                if matches(name.encode()):
                    values[name.encode()] = _text(settings, setting)
            continue
        found = settings.find(_decode(pattern))
        if found is not None and pattern.lower() not in {name.lower() for name in values}:
            values[pattern] = _text(settings, found)
    return values


def _listed() -> list[tuple[str, Setting[Any]]]:
    """Return every name that a pattern can match, including older names, and its setting."""
    named = BY_NAME | ALIASES
    return [(name, named[name]) for name in sorted(named) if not named[name].hidden]


def _text(settings: Settings, setting: Setting[Any]) -> bytes:
    return settings.text(setting).encode("utf-8", "surrogateescape")


def _decode(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


@command(
    "CONFIG SET",
    group="server",
    since="2.0.0",
    flags="admin noscript loading stale",
    complexity="O(N) for N settings given",
    summary="Changes settings: all of them, or none if one is rejected.",
    arguments=[ArgumentGroup("data", String("parameter"), String("value"), multiple=True)],
    tips=_TO_ALL_NODES,
)
def config_set(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) % 2:
        raise CommandError(SYNTAX)
    settings = ctx.instance.settings
    named: dict[str, tuple[Setting[Any], str]] = {}
    rejection: CommandError | None = None
    for at in range(2, len(argv), 2):
        given_name = _decode(argv[at])
        name = given_name.lower()
        setting = settings.find(name)
        if setting is None:
            # Redis checks all names before any value.
            raise rejection or CommandError(
                b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % argv[at]
            )
        if rejection is None:
            if not setting.mutable:
                rejection = _rejected(given_name, "can't set immutable config")
            elif setting.protected and not _may_change_protected(ctx):
                rejection = _rejected(given_name, "can't set protected config")
            elif name in named:
                rejection = _rejected(given_name, "duplicate parameter")
        named[name] = (setting, _decode(argv[at + 1]))
    if rejection is not None:
        raise rejection
    changes: list[tuple[Setting[Any], Any]] = []
    for name, (setting, text) in named.items():
        try:
            changes.append((setting, settings.parse(setting, text)))
        except SettingError as error:
            raise _rejected(name, str(error)) from None
    try:
        settings.set_all(changes)
    except ChangeRefused as refused:
        raise _rejected(refused.setting.name, refused.reason) from None
    return OK


def _rejected(name: str, reason: str) -> CommandError:
    return CommandError(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")


def _may_change_protected(ctx: Context) -> bool:
    allowed = ctx.instance.settings.enable_protected_configs
    return allowed == "yes" or (allowed == "local" and ctx.client.is_local)


@command(
    "CONFIG REWRITE",
    group="server",
    since="2.8.0",
    flags="admin noscript loading stale",
    summary="Writes the current settings to the configuration file.",
    tips=_TO_ALL_NODES,
)
def config_rewrite(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.instance.settings
    if settings.config_file is None:
        raise CommandError("ERR The server is running without a config file")
    try:
        config_file.rewrite(settings, settings.config_file, ctx.instance.users.config_lines())
    except OSError as error:
        raise CommandError(f"ERR Rewriting config file: {error.strerror}") from None
    except config_file.ConfigError as error:
        raise CommandError(f"ERR Rewriting config file: {error}") from None
    return OK


@command(
    "CONFIG RESETSTAT",
    group="server",
    since="2.0.0",
    flags="admin noscript loading stale",
    summary="Resets the statistics shown by INFO.",
    tips=_TO_ALL_NODES,
)
def config_resetstat(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.reset_statistics()
    return OK
