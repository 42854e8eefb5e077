"""The queries of the README are queries on the views."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.loading import SECOND, SEPTEMBER

if TYPE_CHECKING:
    from warehouse.loading import Warehouse

README = Path(__file__).parents[2] / "README.md"


def test_each_query_of_the_readme_gives_rows(warehouse: Warehouse) -> None:
    warehouse.load([4.0], resource_tracking=["SHOP"])
    warehouse.stage([1.5], month=SEPTEMBER, snapshot=SECOND, resource_tracking=["VM-1"], match_level=[None])
    warehouse.reject([5.0], first_row=2, snapshot=SECOND, billing_month=SEPTEMBER)
    warehouse.finish([1.5], month=SEPTEMBER, snapshot=SECOND, rejected=[5.0])
    queries = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(queries) == 5
    for query in queries:
        assert warehouse.client.query(query).result_rows, query
