"""The base class of every error that the person who runs the pipeline can fix; each is raised where it is found."""

from __future__ import annotations


class OperatorError(Exception):
    """One plain sentence for the operator: what happened, to which month, table or host, and what to do."""
