"""JSON values with everything as it was written: digits of numbers, order of keys, repeated keys. No rule is here.

For the oracle and the generated rows of its tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written."""

    text: str


@dataclass(frozen=True)
class JsonObject:
    """A JSON object with its keys in the order written, repeated ones included."""

    pairs: tuple[tuple[str, Json], ...]

    def last(self, key: str) -> Json:
        """The value of the last such key, None without one."""
        return dict(self.pairs).get(key)


Json: TypeAlias = "bool | str | Number | list[Json] | JsonObject | None"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def load_json(text: str) -> Json:
    """JSON with numbers as written and repeated keys kept; ValueError if it is not RFC 8259."""
    value = json.loads(
        text,
        parse_int=Number,
        parse_float=Number,
        parse_constant=_refuse,
        object_pairs_hook=lambda pairs: JsonObject(tuple(pairs)),
    )
    return cast("Json", value)


def json_text(value: Json) -> str:
    """Compact JSON of a value, non-ASCII characters as they are."""
    match value:
        case Number():
            return value.text
        case list():
            return "[" + ",".join(json_text(item) for item in value) + "]"
        case JsonObject():
            return "{" + ",".join(f"{json_text(key)}:{json_text(item)}" for key, item in value.pairs) + "}"
    return json.dumps(value, ensure_ascii=False)


def same_json(left: str | None, right: str | None) -> bool:
    """Whether two JSON texts are the same values, keys in the same order, numbers written alike; escapes may differ."""
    if left is None or right is None:
        return left is right
    return load_json(left) == load_json(right)


def original_text(value: Json) -> str | None:
    """The value as findings show it and as a plain string column holds it."""
    return value if value is None or isinstance(value, str) else json_text(value)


def is_blank(value: Json) -> bool:
    """Null, '' or white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def nesting(text: str) -> int:
    """The most brackets that are open at once outside of strings."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest
