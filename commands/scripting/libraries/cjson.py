"""`cjson`: JSON, with the limits and error messages that scripts know."""

from __future__ import annotations

from commands.scripting.libraries.arguments import Arguments
from commands.scripting.libraries.json_reader import JsonReader
from commands.scripting.libraries.json_settings import JsonSettings
from commands.scripting.libraries.json_writer import JsonWriter
from commands.scripting.libraries.services import BadArgument, LuaValue, Namespace, Services


def functions(services: Services) -> Namespace:
    settings = JsonSettings()
    # In Redis, settings are those of all later scripts too.
    services.before_each_script.append(settings.reset)
    writer, reader = JsonWriter(services, settings), JsonReader(services, settings)

    def encode(*values: LuaValue) -> bytes:
        _check_one("encode", values)
        return writer.write(values[0])

    def decode(*values: LuaValue) -> LuaValue:
        _check_one("decode", values)
        return reader.read(Arguments(services, "decode", values).string(0))

    return {
        "encode": encode,
        "decode": decode,
        **settings.functions(services),
        "_NAME": b"cjson",
        "_VERSION": b"2.1.0",
    }


def _check_one(name: str, values: tuple[LuaValue, ...]) -> None:
    if len(values) != 1:
        raise BadArgument(name, 1, "expected 1 argument")
