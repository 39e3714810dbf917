"""The libraries that scripts find beside those of Lua."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from commands.scripting.libraries import bit, cjson, cmsgpack, struct
from commands.scripting.libraries.services import Namespace, Services

LIBRARIES: Mapping[str, Callable[[Services], Namespace]] = {
    "bit": bit.functions,
    "cjson": cjson.functions,
    "cmsgpack": cmsgpack.functions,
    "struct": struct.functions,
}
