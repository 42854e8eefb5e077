"""singer-sdk's own tests for targets, as test_singer_sdk_suite.py runs them in the loader's environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

from singer_sdk.testing import get_target_test_class

from target_clickhouse_arrow.target import TargetClickhouseArrow

CONFIG = json.loads(Path(os.environ["SUITE_SETTINGS"]).read_text(encoding="utf-8"))

TestTarget = get_target_test_class(TargetClickhouseArrow, config=CONFIG)
