"""Arguments that several commands of models take, and the conversions of their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commands.domain.arguments import json_text, utf8_text
from commands.domain.calls import call_text
from commands.domain.errors import failure
from commands.domain.models.rows import (
    HIGHEST_VERSION,
    Model,
    active_version,
    can_serve,
    load_row,
    read_version,
)
from commands.engine.grammar import Argument, Integer, Key, String
from commands.instance.context import Context

LONGEST_ALIAS = 256

MODEL = Key("name", "RW access update")
MODEL_READ = Key("name", "RO access")

_is_sha256 = re.compile(rb"[0-9a-fA-F]{64}").fullmatch


@dataclass(slots=True)
class Version:
    """One version of a model: the request of several commands."""

    name: bytes
    version: int


def version_argument(name: str = "version", token: str | None = None) -> Argument:
    """A version; an option, where it has a token."""
    return Integer(name, token, optional=token is not None, low=0, high=HIGHEST_VERSION)


def text_option(name: str, token: str) -> Argument:
    return String(name, token, optional=True, convert=utf8_text(token))


def json_option(name: str, token: str) -> Argument:
    return String(name, token, optional=True, convert=json_text(token))


def sha256_text(what: str) -> Argument:
    """A SHA-256 as 64 hex digits; an option, where `what` is in upper case."""
    token = what if what.isupper() else None
    return String("sha256", token, optional=token is not None, convert=_sha256)


def _sha256(word: bytes) -> str:
    if not _is_sha256(word):
        raise failure("ERR", "the checksum must be a SHA-256 of 64 hex digits, not '{}'", word)
    return word.decode().lower()


def check_alias(alias: bytes) -> bytes:
    """Return a word if it can be an alias; an error otherwise."""
    try:
        alias.decode()
    except UnicodeDecodeError:
        raise failure("ERR", "alias '{}' is not valid UTF-8", alias) from None
    if not 0 < len(alias) <= LONGEST_ALIAS or alias.startswith(b"@"):
        raise failure(
            "ERR", "invalid alias '{}': it must have 1 to 256 bytes and not start with '@'", alias
        )
    return alias


# A version by its number, or by an alias of the model, here without its `@`.
Selector = int | bytes


def _selector(word: bytes) -> Selector:
    if word.startswith(b"@"):
        return check_alias(word[1:])
    version = read_version(word)
    if version is None:
        raise failure(
            "ERR",
            "version must be an integer from 0 to {} or @alias, not '{}'",
            b"%d" % HIGHEST_VERSION,
            word,
        )
    return version


def selected(*, optional: bool = False) -> Argument:
    """A version or `@alias`."""
    return String("version", optional=optional, convert=_selector)


def find_selected(
    ctx: Context, model: Model, selector: Selector | None
) -> tuple[int | None, int | None]:
    """Return the version that is selected, and the active one, which None selects."""
    active = active_version(ctx, model, load_row(ctx, model))
    if selector is None:
        return active, active
    if isinstance(selector, int):
        return selector, active
    return resolve_alias(ctx, model, call_text(ctx, b"HGET", model.aliases, selector)), active


def resolve_alias(ctx: Context, model: Model, stored: bytes | None) -> int | None:
    """Return the version that an alias stands for, if that can be served."""
    version = None if stored is None else read_version(stored)
    return version if version is not None and can_serve(ctx, model, version) else None
