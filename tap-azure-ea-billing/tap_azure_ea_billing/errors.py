"""The base class of the errors that the person who runs the tap can mend."""

from __future__ import annotations


class OperatorError(Exception):
    """The run can't go on; the message is one plain sentence: what happened, where, and what to do."""


class SettingsError(OperatorError):
    """A source can't be read with its settings.

    Attributes:
        sentences: One for each thing that is wrong.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences
