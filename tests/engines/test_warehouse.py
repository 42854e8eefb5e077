"""What the tests of the warehouse hold of tags and of a cluster, on each ClickHouse: these tests are run here again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from warehouse.conftest import config  # noqa: F401 - a fixture of the tests below
from warehouse.test_cluster import (  # noqa: F401 - likewise, and tests
    alone,
    on_cluster,
    sent,
    test_a_month_tracked_again_on_a_cluster_equals_a_fresh_load_on_a_single_host,
    test_everything_works_through_distributed_tables_and_each_statement_is_one_for_the_parser,
    test_what_is_migrated_to_a_cluster_is_what_a_single_host_gets,
)
from warehouse.test_tags import (  # noqa: F401 - likewise
    kind,
    loaded,
    test_each_query_of_the_page_groups_the_cost_by_the_tag,
    test_every_view_gives_back_what_the_tags_were,
)

if TYPE_CHECKING:
    from sandbox.launch import ClickHouse


@pytest.fixture
def clickhouse(engine: ClickHouse) -> ClickHouse:
    """Each ClickHouse, in place of the newest."""
    return engine
