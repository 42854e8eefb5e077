"""Singer messages on standard output, usage rows by the page."""

from __future__ import annotations

import sys

from singer_sdk.contrib.msgspec import MsgSpecWriter


class PageWriter(MsgSpecWriter):
    """singer-sdk's msgspec writer, which can also write many lines at once."""

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines and hand them on."""
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()
