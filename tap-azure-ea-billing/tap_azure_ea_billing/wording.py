"""How a number of things reads in a sentence."""

from __future__ import annotations


def counted(count: int, noun: str, form: str = "") -> str:
    """Return a number with its noun, as in `1 row` and `2 rows`.

    Args:
        count: How many there are.
        noun: What they are, in the singular.
        form: How the number is written, as in a format string.
    """
    return f"{count:{form}} {noun}" if count == 1 else f"{count:{form}} {noun}s"
