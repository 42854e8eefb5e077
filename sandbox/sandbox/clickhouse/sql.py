"""What a statement's text shows before the engine sees it: what it does, where its rows begin; runs nothing.

ClickHouse's server takes the rows of an INSERT from the same bytes as the statement. chdb needs them separately
(`send_insert`): inline binary rows after `FORMAT Arrow` were refused with "missing trailing magic".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.clickhouse.errors import ClickHouseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    rb"""(?P<gap>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)
    |(?P<word>\w+)
    |(?P<sign>.)""",
    re.DOTALL | re.VERBOSE,
)
_GAP_BEFORE_ROWS = re.compile(rb"[ \t\f]*\r?\n?")
_FORMAT_AT_END = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
_READING = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK"})
_DEPTH = {b"(": 1, b"[": 1, b"{": 1, b")": -1, b"]": -1, b"}": -1}


@dataclass(frozen=True)
class Statement:
    """One SQL statement from a client.

    Attributes:
        text: The statement, for an INSERT with rows without its FORMAT or VALUES.
        verb: Its first word in upper case, '' for an empty text.
        output_format: The format named by its trailing FORMAT clause, if it has one.
        input_format: The format of the rows that follow an INSERT; None if the engine finds everything in `text`.
        rows: The bytes of those rows.
    """

    text: bytes
    verb: str
    output_format: str | None = None
    input_format: str | None = None
    rows: bytes = b""

    @property
    def reads(self) -> bool:
        """Whether the statement has a result, which may be empty."""
        return self.verb in _READING


def read_statement(text: bytes) -> Statement:
    """Split `text` into the statement and the rows of its INSERT.

    Raises:
        ClickHouseError: Code 62 if a second statement follows a `;`, as the server refuses it.
    """
    tokens = _tokens(text)
    first = next(tokens, None)
    verb = first.group().decode("utf-8", "replace").upper() if first else ""
    if verb == "INSERT" and (insert := _insert_with_rows(text, tokens)):
        return insert
    _refuse_second_statement(text)
    named = _FORMAT_AT_END.search(text)
    return Statement(text, verb, named.group(1).decode() if named else None)


def _tokens(text: bytes) -> Iterator[re.Match[bytes]]:
    """Yield what isn't white space, a comment or in brackets, but do yield the brackets."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += _DEPTH.get(token.group(), 0)
        if token.lastgroup != "gap" and (depth == 0 or token.lastgroup == "sign"):
            yield token


def _insert_with_rows(text: bytes, tokens: Iterator[re.Match[bytes]]) -> Statement | None:
    for token in tokens:
        word = token.group().upper() if token.lastgroup == "word" else b""
        if word in {b"SELECT", b"WITH", b"INFILE"}:
            return None
        if word == b"VALUES":
            return Statement(text[: token.start()], "INSERT", None, "Values", text[token.end() :])
        if word == b"FORMAT" and (name := next(tokens, None)):
            gap = _GAP_BEFORE_ROWS.match(text, name.end())
            begin = gap.end() if gap else name.end()
            return Statement(text[: token.start()], "INSERT", None, name.group().decode(), text[begin:])
    return None


def _refuse_second_statement(text: bytes) -> None:
    ended = False
    for token in _tokens(text):
        if ended:
            raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
        ended = token.group() == b";"


def quote(text: str) -> str:
    """Return `text` as a ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
