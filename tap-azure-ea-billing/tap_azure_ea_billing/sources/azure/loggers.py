"""What the libraries below the sources in Azure may say in the log.

urllib3 writes whole addresses at DEBUG, and as a warning where it can't read a header; the address of a blob has a
signature in it. azure-core, azure-identity and msal describe each exchange at INFO.
"""

from __future__ import annotations

import logging

_LEVELS = {"urllib3": logging.ERROR, "azure": logging.WARNING, "msal": logging.WARNING}


def say_no_addresses() -> None:
    """Keep those libraries from writing addresses, whatever level the log has."""
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
