"""Each kind of answer as bytes: what the table says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.recorded import empty_month_body
from tap_azure_ea_billing import answers
from tap_azure_ea_billing.answers import AnswerError, Kind, check_next_link, read_answer

API = "https://ea.azure.cn/rest"
LINK = f"{API}/1/usage-report/paginatedV3?month=2026-08&pageindex=1"
CSV_HEADER = b'"Usage Data Extract",\r\n"",\r\n"AccountOwnerId","Account Name","Date",\r\n'
EMPTY_CSV = empty_month_body()

PAGES = [
    (200, b'{"content":[{"AccountName":"a"}]}', answers.ROWS),
    (200, b'\xef\xbb\xbf{"content":[{"AccountName":"a"}],"nextLink":""}', answers.ROWS),
    (200, b'{"content":[],"nextLink":"' + LINK.encode() + b'"}', answers.EMPTY_PAGE),
    (200, b'{"content":[]}', answers.EMPTY_MONTH),
    (200, b'{"content":[],"nextLink":null}', answers.EMPTY_MONTH),
    (200, EMPTY_CSV, answers.EMPTY_CSV),
    (200, b"\xef\xbb\xbf" + CSV_HEADER, answers.EMPTY_CSV),
    (404, b"Not Found", answers.NOT_FOUND),
]
FAILURES = [
    (204, b"", answers.OTHER_STATUS),
    (302, b"", answers.OTHER_STATUS),
    (400, b"", answers.OTHER_STATUS),
    (401, b"", answers.UNAUTHORIZED),
    (403, b"", answers.FORBIDDEN),
    (429, b"", answers.TOO_MANY),
    (500, b"", answers.SERVER_ERROR),
    (503, b"", answers.SERVER_ERROR),
    (200, b"", answers.MALFORMED),
    (200, b"<html></html>", answers.MALFORMED),
    (200, b'{"content":[{"AccountName":"a"}', answers.MALFORMED),
    (200, b'{"content":[{"AccountName":"a"}]} {}', answers.MALFORMED),
    (200, b'{"content":[{"AccountName":"\xff"}]}', answers.MALFORMED),
    (200, b'{"content":[{"ExtendedCost":NaN}]}', answers.MALFORMED),
    (200, b'{"content":[{"ExtendedCost":-Infinity}]}', answers.MALFORMED),
    (200, b'{"content":[{"ExtendedCost":01}]}', answers.MALFORMED),
    (200, b'{"content":' + b"[" * 100_000, answers.MALFORMED),
    (200, b"[]", answers.NO_CONTENT),
    (200, b'{"message":"wait"}', answers.NO_CONTENT),
    (200, b'{"content":null}', answers.NO_CONTENT),
    (200, b'{"content":{}}', answers.NO_CONTENT),
    (200, b'{"content":[{},1]}', answers.NOT_AN_OBJECT),
    (200, b'{"content":[{},null]}', answers.NOT_AN_OBJECT),
    (200, b'{"content":[],"nextLink":1}', answers.BAD_LINK),
    (200, CSV_HEADER + b'"donald.duck","Platform","03/01/2017",\r\n', answers.CSV_ROWS),
    (200, b'"Usage Data Extract",\r\n"donald.duck","Platform","03/01/2017",\r\n', answers.CSV_ROWS),
]


@pytest.mark.parametrize(("status", "body", "kind"), PAGES)
def test_a_first_page_is_rows_or_an_empty_month(status: int, body: bytes, kind: Kind) -> None:
    assert read_answer(status, body, first=True).kind is kind


@pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
def test_any_other_answer_is_an_error_of_its_kind(status: int, body: bytes, kind: Kind) -> None:
    for first in (True, False):
        with pytest.raises(AnswerError) as caught:
            read_answer(status, body, first=first)
        assert caught.value.kind is (answers.CSV_LATER if kind is answers.CSV_ROWS and not first else kind)


@pytest.mark.parametrize(
    ("status", "body", "kind"), [(404, b"", answers.NOT_FOUND_LATER), (200, EMPTY_CSV, answers.CSV_LATER)]
)
def test_what_is_an_empty_month_on_the_first_page_is_an_error_on_a_later_one(
    status: int, body: bytes, kind: Kind
) -> None:
    with pytest.raises(AnswerError) as caught:
        read_answer(status, body, first=False)
    assert caught.value.kind is kind


def test_an_empty_last_page_ends_a_month_with_rows() -> None:
    page = read_answer(200, b'{"content":[]}', first=False)
    assert (page.rows, page.next_link, page.kind.handling) == ([], None, answers.Handling.ROWS)


@pytest.mark.parametrize(
    "link",
    [
        LINK.replace("https", "http"),
        LINK.replace("ea.azure.cn", "ea.azure.com"),
        LINK.replace("ea.azure.cn", "ea.azure.cn:8443"),
        LINK.replace("ea.azure.cn", "ea.azure.cn@evil.example"),
        LINK.replace("ea.azure.cn", "evil.example\\@ea.azure.cn"),
        LINK.replace("ea.azure.cn", "ea.azure.cn:port"),
        "//ea.azure.cn/rest",
        "/rest/1/usage-report/paginatedV3",
        "https:ea.azure.cn",
        "ftp://ea.azure.cn/rest",
        f" {LINK}",
        f"{LINK}\n",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: str) -> None:
    with pytest.raises(AnswerError) as caught:
        check_next_link(link, API, set())
    assert caught.value.kind is answers.LINK_ELSEWHERE


@pytest.mark.parametrize("link", [LINK, LINK.replace("ea.azure.cn", "EA.azure.cn:443"), f"{API}?page=2"])
def test_a_link_to_the_same_scheme_host_and_port_is_followed(link: str) -> None:
    check_next_link(link, API, set())


def test_a_link_that_was_followed_before_is_an_error() -> None:
    with pytest.raises(AnswerError) as caught:
        check_next_link(LINK, API, {LINK})
    assert caught.value.kind is answers.LINK_REPEATED


@given(
    cut=st.integers(1, 200), rows=st.lists(st.dictionaries(st.text(), st.text() | st.none()), min_size=1, max_size=3)
)
def test_a_cut_page_is_never_a_page(cut: int, rows: list[dict[str, str | None]]) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"content": rows, "nextLink": LINK}).encode()
    with pytest.raises(AnswerError):
        read_answer(200, body[: -min(cut, len(body))], first=True)


def test_the_table_in_the_documentation_is_the_table_in_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api-answers.md").read_text(encoding="utf-8")
    for kind in answers.TABLE:
        assert f"| {kind.when} | {kind.handling} |\n" in text
    assert text.count("\n| ") == len(answers.TABLE) + 1


def test_every_kind_of_answer_is_in_the_table() -> None:
    kinds = {value for value in vars(answers).values() if isinstance(value, Kind)}
    assert kinds == set(answers.TABLE)
