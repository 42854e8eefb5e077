"""Today's patterns, read from where the mapper reads them as its variables say; no option or setting file is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.setting_sentences import sentences
from mapper_azure_billing_tracking.config import PatternsConfig, variable
from mapper_azure_billing_tracking.pattern_source import PatternSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.patterns.pattern import Pattern


def todays_patterns(config: ClickHouseConfig, *, required: bool = True) -> Sequence[Pattern]:
    """Read the patterns.

    Args:
        config: Where ClickHouse is.
        required: Whether it is an error that there are none.

    Raises:
        OperatorError: They can't be read, or a variable is not as it should be.
    """
    given = {name: os.environ.get(variable(f"patterns.{name}"), "").strip() for name in ("source", "table", "path")}
    settings = {name: text for name, text in given.items() if text}
    try:
        patterns = PatternsConfig.model_validate({**settings, "required": required})
    except ValidationError as error:
        raise OperatorError(" ".join(sentences(error, PatternsConfig, _pattern_variable, settings))) from error
    return PatternSource(patterns, config).read()


def _pattern_variable(name: str) -> str:
    return variable(f"patterns.{name}")
