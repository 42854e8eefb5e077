"""Registers `"encoding": {"format": "arrow"}` with the SDK; reading such files is elsewhere.

singer-sdk 0.36 turns the encoding of a BATCH message into a registered subclass of `BaseBatchFileEncoding` and raises
a KeyError for any other format. The class has no public name, so this module alone imports a private one.
target-clickhouse pins the version (singer-sdk < 0.37), so it will not move.
"""

from __future__ import annotations

from dataclasses import dataclass

from singer_sdk.helpers._batch import BaseBatchFileEncoding


@dataclass
class ArrowEncoding(BaseBatchFileEncoding):
    """Files in Arrow's IPC file format. Being defined registers it."""

    __encoding_format__ = "arrow"


FORMATS = tuple(BaseBatchFileEncoding.registered_encodings)
"""The known formats of BATCH files."""
