"""R1 reads as dates the texts that the examples name, and shows every other text in its finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from date_examples import DATES
from mapper.runs import DETAIL, ISSUE, USAGE_SCHEMA, usage_line

if TYPE_CHECKING:
    from mapper.runs import MapperRuns


def test_r1_reads_the_examples_and_rejects_every_other_text_with_the_text_itself(mapper: MapperRuns) -> None:
    texts = dict(enumerate(DATES, 1))
    output = mapper.run([USAGE_SCHEMA, *(usage_line(number, date=text) for number, text in texts.items())])
    read = {texts[row["row_number"]]: row["date"] for row in output.records(DETAIL)}
    rejected = {texts[row["row_number"]]: row["value"] for row in output.records(ISSUE) if row["rule"] == "R1"}
    assert read == {text: date for text, date in DATES.items() if date is not None}
    assert rejected == {text: text for text, date in DATES.items() if date is None}
