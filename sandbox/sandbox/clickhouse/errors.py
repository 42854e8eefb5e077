"""ClickHouse's errors as its HTTP interface returns them: code, name and status; what raises them is elsewhere."""

from __future__ import annotations

import re

_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\)+)?\.?\s*\Z")
_VERSION = re.compile(r"\s*\(version [^)]*\)\s*\Z")

# As ClickHouse's server answers them (its src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); every other error is a 500.
_STATUS = {
    "ACCESS_DENIED": 403,
    "AUTHENTICATION_FAILED": 403,
    "BAD_ARGUMENTS": 400,
    "CANNOT_OPEN_FILE": 503,
    "CANNOT_PARSE_DATE": 400,
    "CANNOT_PARSE_DATETIME": 400,
    "CANNOT_PARSE_ESCAPE_SEQUENCE": 400,
    "CANNOT_PARSE_INPUT_ASSERTION_FAILED": 400,
    "CANNOT_PARSE_NUMBER": 400,
    "CANNOT_PARSE_QUOTED_STRING": 400,
    "CANNOT_PARSE_TEXT": 400,
    "CANNOT_PARSE_UUID": 400,
    "DUPLICATE_COLUMN": 400,
    "ILLEGAL_COLUMN": 400,
    "INCORRECT_DATA": 400,
    "NOT_IMPLEMENTED": 501,
    "QUERY_IS_TOO_LARGE": 413,
    "SYNTAX_ERROR": 400,
    "THERE_IS_NO_COLUMN": 400,
    "TIMEOUT_EXCEEDED": 408,
    "TYPE_MISMATCH": 400,
    "UNEXPECTED_AST_STRUCTURE": 400,
    "UNKNOWN_AGGREGATE_FUNCTION": 404,
    "UNKNOWN_DATABASE": 404,
    "UNKNOWN_DATABASE_ENGINE": 404,
    "UNKNOWN_FORMAT": 404,
    "UNKNOWN_FUNCTION": 404,
    "UNKNOWN_IDENTIFIER": 404,
    "UNKNOWN_ROLE": 404,
    "UNKNOWN_SETTING": 404,
    "UNKNOWN_STORAGE": 404,
    "UNKNOWN_TABLE": 404,
    "UNKNOWN_TYPE": 404,
    "UNKNOWN_TYPE_OF_QUERY": 404,
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE": 400,
}


class ClickHouseError(Exception):
    """An error with ClickHouse's number and name.

    Attributes:
        code: ClickHouse's error number, for example 60.
        name: Its name, for example UNKNOWN_TABLE.
        status: The HTTP status the server answers it with.
    """

    def __init__(self, code: int, name: str, reason: str) -> None:
        """Keep the reason without `Code: ...` before it and the name after it."""
        super().__init__(f"Code: {code}. DB::Exception: {reason} ({name})")
        self.code = code
        self.name = name
        self.status = _STATUS.get(name, 500)


def from_engine(error: Exception) -> ClickHouseError:
    """Return the error that chdb raised, in which ClickHouse's text may follow chdb's own words."""
    text = _VERSION.sub("", str(error))
    code = _CODE.search(text)
    name = _NAME.search(text)
    if code is None or name is None:
        return ClickHouseError(1002, "UNKNOWN_EXCEPTION", text)
    return ClickHouseError(int(code.group(1)), name.group(1), text[code.end() : name.start()].rstrip())
