"""The queries of docs/queries.md, and the answers that it shows, on three months of a simulated bill."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.test_retrack import YESTERDAYS, load

if TYPE_CHECKING:
    from warehouse.loading import Warehouse

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
MONTHS = ("2026-08", "2026-09", "2026-10")
QUESTION = re.compile(r"```sql\n(.*?)```\n\n((?:\|[^\n]*\n)*)", flags=re.DOTALL)


def answer(warehouse: Warehouse, query: str) -> str:
    """What a query gives, as a table of the page."""
    result = warehouse.client.query(query)
    lines = [result.column_names, ["---"] * len(result.column_names), *result.result_rows]
    return "".join(f"| {' | '.join('' if cell is None else str(cell) for cell in line)} |\n" for line in lines).replace(
        "|  |", "| |"
    )


def test_each_query_gives_the_answer_that_is_shown(new_warehouse: Warehouse, tmp_path: Path) -> None:
    for month in MONTHS:
        load(new_warehouse, tmp_path / month, YESTERDAYS, month)
    questions = QUESTION.findall(PAGE.read_text(encoding="utf-8"))
    assert len(questions) == 12
    for query, shown in questions:
        assert shown == answer(new_warehouse, query), query
