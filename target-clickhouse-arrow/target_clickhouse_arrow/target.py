"""The plugin: target-clickhouse with another sink; its settings and everything else are target-clickhouse's."""

from __future__ import annotations

from target_clickhouse.target import TargetClickhouse

from target_clickhouse_arrow.encoding import ArrowEncoding
from target_clickhouse_arrow.sink import ClickhouseArrowSink

__all__ = ["ArrowEncoding", "TargetClickhouseArrow"]


class TargetClickhouseArrow(TargetClickhouse):  # type: ignore[misc] # target-clickhouse has no types
    """target-clickhouse, and Arrow BATCH files besides."""

    package_name = "target-clickhouse-arrow"
    default_sink_class = ClickhouseArrowSink
