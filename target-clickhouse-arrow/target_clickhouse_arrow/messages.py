"""What makes a line a Singer message of a stream that can be a table; the SDK handles the messages."""

from __future__ import annotations

import decimal
import json
import re
from typing import Any

from target_clickhouse_arrow.encoding import FORMATS
from target_clickhouse_arrow.errors import LoadError, NoSchemaError

# In its statements target-clickhouse uses a stream's name, or what follows its last hyphen, as the table's.
# It omits `:`, `!` and `?` from a name without hyphens.
_STREAM = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z][A-Za-z0-9_.]*|[A-Za-z][A-Za-z0-9_.:!?]*", re.ASCII)
_DATABASE = re.compile(r"[^'\"`\\\x00-\x1f\x7f]+")

_NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
    "ACTIVATE_VERSION": {"stream": str, "version": int},
    "STATE": {"value": (dict, type(None))},
}
_NAMES = {str: "a text", dict: "an object", list: "a list", int: "a whole number"}


def require_database(name: object) -> None:
    """Refuse a database whose name needs quoting in the statements of programs that use it.

    Raises:
        LoadError: If it has a quote, a backslash or a control character.
    """
    if isinstance(name, str) and name and not _DATABASE.fullmatch(name):
        raise LoadError(f"Setting database: {name!r} has a quote, a backslash or a control character.")


class Messages:
    """Reads lines one by one, and refuses those that aren't loadable messages."""

    def __init__(self) -> None:
        self._number = 0
        self._described: set[str] = set()

    def read(self, line: str) -> dict[str, Any]:
        """Return the next line's message, with exact decimals.

        Raises:
            LoadError: If it isn't a Singer message, names no possible table, or its stream has not been described.
        """
        self._number += 1
        try:
            message = json.loads(line, parse_float=decimal.Decimal)
        except (ValueError, RecursionError) as error:
            raise self._error(f"is no JSON: {type(error).__name__}") from None
        if not isinstance(message, dict):
            raise self._error("is no Singer message: it is no object")
        kind = message.get("type")
        if not isinstance(kind, str) or kind not in _NEEDED:
            raise self._error(f"is no Singer message: its type is {_shown(kind)}")
        for name, types in _NEEDED[kind].items():
            if name not in message or not isinstance(message[name], types):
                expected = _NAMES[types[0] if isinstance(types, tuple) else types]
                raise self._error(f"is a {kind} whose {name} is not {expected}")
        if kind != "STATE":
            self._check_stream(kind, message)
        return message

    def _check_stream(self, kind: str, message: dict[str, Any]) -> None:
        stream = message["stream"]
        if not _STREAM.fullmatch(stream):
            raise self._error(f"is a {kind} of the stream {_shown(stream)}, which is no name for a table")
        if kind == "SCHEMA":
            self._check_schema(message)
            self._described.add(stream)
        elif stream not in self._described:
            raise NoSchemaError(self._sentence(f"is a {kind} of the stream {stream} before its SCHEMA"))
        if kind == "BATCH":
            self._check_batch(message)

    def _check_schema(self, message: dict[str, Any]) -> None:
        properties = message["schema"].get("properties")
        if not isinstance(properties, dict) or not all(isinstance(entry, dict) for entry in properties.values()):
            raise self._error("is a SCHEMA whose properties are not an object of objects")
        if not _is_texts(message.get("key_properties") or []):
            raise self._error("is a SCHEMA whose key_properties are not a list of texts")

    def _check_batch(self, message: dict[str, Any]) -> None:
        encoding = message["encoding"]
        if encoding.get("format") not in FORMATS:
            raise self._error(f"is a BATCH whose format is {_shown(encoding.get('format'))}, not {', '.join(FORMATS)}")
        if encoding.keys() - {"format", "compression"} or not isinstance(encoding.get("compression"), str | None):
            raise self._error("is a BATCH whose encoding has more than a format and a compression")
        if not _is_texts(message["manifest"]):
            raise self._error("is a BATCH whose manifest is not a list of texts")

    def _error(self, fault: str) -> LoadError:
        return LoadError(self._sentence(fault))

    def _sentence(self, fault: str) -> str:
        return f"Line {self._number} of the input {fault}."


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."  # noqa: PLR2004 - what a line of a log bears
