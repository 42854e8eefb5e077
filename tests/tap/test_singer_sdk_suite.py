"""singer-sdk's own tests for taps, against the rows recorded from the real API (enrollment 100, March 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from sandbox.api.keys import make_key
from sandbox.launch import running_api
from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: dict[str, Any] = {
    "enrollment_number": "100",
    "api_key": make_key("100", 180),
    "start_date": "2017-03",
    "end_date": "2017-03",
}


@pytest.fixture(scope="session", autouse=True)
def _api_of_the_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the address into the configuration, which the suite wants before there is a server."""
    with running_api(tmp_path_factory.mktemp("suite"), rows=1) as api:
        CONFIG["api_url"] = api.url
        yield


SUITE = SuiteConfig(max_records_limit=10)
# The columns that only other sources have are in no record of this one.
pytestmark = pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")

TestTap = get_tap_test_class(TapAzureEABilling, config=CONFIG, suite_config=SUITE, include_stream_attribute_tests=True)
