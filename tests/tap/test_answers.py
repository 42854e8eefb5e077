"""Each kind of answer as bytes: what the table says of it."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.bill.recorded import empty_month_body
from tap_azure_ea_billing.sources.ea import kinds
from tap_azure_ea_billing.sources.ea.answers import read_answer
from tap_azure_ea_billing.sources.ea.kinds import AnswerError, Handling, Kind
from tap_azure_ea_billing.sources.ea.links import check_next_link

API = "https://ea.azure.cn/rest"
FIRST_URL = f"{API}/1/usage-report/paginatedV3"
LINK = f"{FIRST_URL}?month=2026-08&pageindex=1"
CSV_HEADER = b'"Usage Data Extract",\r\n"",\r\n"AccountOwnerId","Account Name","Date",\r\n'
EMPTY_CSV = empty_month_body()
LINK_NAMES = ["nextLink", "NextLink", "nextlink", "NEXT_LINK", "@odata.nextLink", "odata.nextLink", "@odata.nextlink"]
LINK_LIKE = [
    "next",
    "nextPage",
    "nextPageLink",
    "link",
    "@odata.deltaLink",
    "continuationToken",
    "$skiptoken",
    "cursor",
]

PAGES = [
    (200, b'{"content":[{"AccountName":"a"}]}', kinds.ROWS),
    (200, b'\xef\xbb\xbf{"content":[{"AccountName":"a"}],"nextLink":""}', kinds.ROWS),
    (200, b'{"content":[],"nextLink":"' + LINK.encode() + b'"}', kinds.EMPTY_PAGE),
    (200, b'{"content":[]}', kinds.EMPTY_MONTH),
    (200, b'{"content":[],"nextLink":null}', kinds.EMPTY_MONTH),
    (200, EMPTY_CSV, kinds.EMPTY_CSV),
    (200, b"\xef\xbb\xbf" + CSV_HEADER, kinds.EMPTY_CSV),
    (404, b"Not Found", kinds.NOT_FOUND),
    (200, b'{"content":[{"AccountName":"a"}],"NextLink":"%s"}' % LINK.encode(), kinds.ROWS),
    (200, b'{"content":[{"AccountName":"a"}],"error":null,"errors":[],"message":"","id":"7"}', kinds.ROWS),
    (200, b'{"content":[{"AccountName":"a"}],"hasMore":false,"nextPage":null,"@odata.context":"x"}', kinds.ROWS),
    (
        200,
        b'{"content":[],"error":null,"errors":[ ],"detail":{ },"message":"","@odata.nextLink":""}',
        kinds.EMPTY_MONTH,
    ),
    (200, b'{"content":[],"nextLink":"%s","id":"7"}' % LINK.encode(), kinds.EMPTY_PAGE),
    (200, b'{"content":[{"AccountName":"a"}],"page":{"nextLink":null,"hasMore":false,"links":[]}}', kinds.ROWS),
]
FAILURES = [
    (204, b"", kinds.OTHER_STATUS),
    (302, b"", kinds.OTHER_STATUS),
    (400, b"", kinds.OTHER_STATUS),
    (401, b"", kinds.UNAUTHORIZED),
    (403, b"", kinds.FORBIDDEN),
    (429, b"", kinds.TOO_MANY),
    (500, b"", kinds.SERVER_ERROR),
    (503, b"", kinds.SERVER_ERROR),
    (200, b"", kinds.MALFORMED),
    (200, b"<html></html>", kinds.MALFORMED),
    (200, b'{"content":[{"AccountName":"a"}', kinds.MALFORMED),
    (200, b'{"content":[{"AccountName":"a"}]} {}', kinds.MALFORMED),
    (200, b'{"content":[{"AccountName":"\xff"}]}', kinds.MALFORMED),
    (200, b'{"content":[{"ExtendedCost":NaN}]}', kinds.MALFORMED),
    (200, b'{"content":[{"ExtendedCost":-Infinity}]}', kinds.MALFORMED),
    (200, b'{"content":[{"ExtendedCost":01}]}', kinds.MALFORMED),
    (200, b'{"content":' + b"[" * 100_000, kinds.MALFORMED),
    (200, b"[]", kinds.NO_CONTENT),
    (200, b'{"message":"wait"}', kinds.NO_CONTENT),
    (200, b'{"content":null}', kinds.NO_CONTENT),
    (200, b'{"content":{}}', kinds.NO_CONTENT),
    (200, b'{"content":[{},1]}', kinds.NOT_AN_OBJECT),
    (200, b'{"content":[{},null]}', kinds.NOT_AN_OBJECT),
    (200, b'{"content":[],"nextLink":1}', kinds.BAD_LINK),
    (200, b'{"content":[{}],"@odata.nextLink":["x"]}', kinds.BAD_LINK),
    (200, b'{"content":[{}],"nextLink":"x","@odata.nextLink":"y"}', kinds.LINKS_DIFFER),
    (200, b'{"content":[],"error":{"code":"Throttled"}}', kinds.SAYS_ERROR),
    (200, b'{"content":[{}],"error":{"code":"Throttled"}}', kinds.SAYS_ERROR),
    (200, b'{"content":[{}],"Errors":["x"],"nextLink":"x"}', kinds.SAYS_ERROR),
    (200, b'{"content":[{}],"errorCode":500}', kinds.SAYS_ERROR),
    (200, b'{"content":[{}],"error_description":"x"}', kinds.SAYS_ERROR),
    (200, b'{"content":[{}],"Message":"partial"}', kinds.SAYS_ERROR),
    (200, b'{"content":[{}],"code":0}', kinds.SAYS_ERROR),
    (200, b'{"content":[],"Content":[{"AccountName":"a"}]}', kinds.SAYS_MORE),
    (200, b'{"content":[],"status":"preparing"}', kinds.SAYS_MORE),
    (200, b'{"content":[],"total":12}', kinds.SAYS_MORE),
    *((200, b'{"content":[{}],"%s":"x"}' % name.encode(), kinds.UNKNOWN_LINK) for name in LINK_LIKE),
    (200, b'{"content":[],"hasMore":true}', kinds.UNKNOWN_LINK),
    *((200, b'{"content":[{}],"page":{"%s":"x"}}' % name.encode(), kinds.UNKNOWN_LINK) for name in LINK_NAMES),
    (200, b'{"content":[{}],"pages":[1,{"more":{"hasMore":true}}]}', kinds.UNKNOWN_LINK),
    (200, b'{"content":[{}],"pages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", kinds.MALFORMED),
    (200, CSV_HEADER + b'"donald.duck","Platform","03/01/2017",\r\n', kinds.CSV_ROWS),
    (200, b'"Usage Data Extract",\r\n"donald.duck","Platform","03/01/2017",\r\n', kinds.CSV_ROWS),
]


@pytest.mark.parametrize(("status", "body", "kind"), PAGES)
def test_a_first_page_is_rows_or_an_empty_month(status: int, body: bytes, kind: Kind) -> None:
    for in_columns in (False, True):
        assert read_answer(status, body, first=True, in_columns=in_columns).kind is kind


@pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
def test_any_other_answer_is_an_error_of_its_kind(status: int, body: bytes, kind: Kind) -> None:
    for first, in_columns in product((True, False), repeat=2):
        with pytest.raises(AnswerError) as caught:
            read_answer(status, body, first=first, in_columns=in_columns)
        assert caught.value.kind is (kinds.CSV_LATER if kind is kinds.CSV_ROWS and not first else kind)


@pytest.mark.parametrize(
    ("status", "body", "kind"), [(404, b"", kinds.NOT_FOUND_LATER), (200, EMPTY_CSV, kinds.CSV_LATER)]
)
def test_what_is_an_empty_month_on_the_first_page_is_an_error_on_a_later_one(
    status: int, body: bytes, kind: Kind
) -> None:
    with pytest.raises(AnswerError) as caught:
        read_answer(status, body, first=False)
    assert caught.value.kind is kind


def test_an_empty_last_page_ends_a_month_with_rows() -> None:
    page = read_answer(200, b'{"content":[]}', first=False)
    assert (len(page.rows), page.next_link, page.kind.handling) == (0, None, Handling.ROWS)


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
    assert refused(link) is kinds.LINK_ELSEWHERE


def refused(link: str, followed: set[str] | None = None) -> Kind:
    with pytest.raises(AnswerError) as caught:
        check_next_link(link, FIRST_URL, "2026-08", followed or set())
    return caught.value.kind


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        LINK.replace("ea.azure.cn", "EA.azure.cn:443"),
        LINK.replace("/rest/1/usage-report", "/REST/1/Usage-Report"),
        LINK.replace("usage-report", "usage%2Dreport"),
        f"{FIRST_URL}?pageindex=2&Month=2026-08",
    ],
)
def test_a_link_to_the_months_own_address_is_followed(link: str) -> None:
    check_next_link(link, FIRST_URL, "2026-08", set())


@pytest.mark.parametrize(
    "link",
    [
        f"{API}?month=2026-08",
        LINK.replace("/1/", "/2/"),
        LINK.replace("/1/", "/1/../2/"),
        LINK.replace("paginatedV3", "paginatedV3/"),
        LINK.replace("/rest/", "//rest/"),
    ],
)
def test_a_link_to_another_path_is_not_followed(link: str) -> None:
    assert refused(link) is kinds.LINK_OTHER_PATH


@pytest.mark.parametrize(
    "query",
    [
        "pageindex=1",
        "month=2026-09",
        "month=",
        "month=2026-08&month=2026-08",
        "month=2026-08&MONTH=2026-09",
        "x#month=2026-08",
    ],
)
def test_a_link_to_another_month_is_not_followed(query: str) -> None:
    assert refused(f"{FIRST_URL}?{query}") is kinds.LINK_OTHER_MONTH


def test_a_link_that_was_followed_before_is_an_error() -> None:
    assert refused(LINK, {LINK}) is kinds.LINK_REPEATED


@pytest.mark.parametrize("name", LINK_NAMES)
def test_a_link_is_one_however_its_name_is_spelled(name: str) -> None:
    body = json.dumps({name: LINK, "content": [{}]}).encode()
    for in_columns in (False, True):
        assert read_answer(200, body, first=True, in_columns=in_columns).next_link == LINK


def test_links_that_agree_are_one() -> None:
    body = json.dumps({"content": [{}], "nextLink": LINK, "@odata.nextLink": LINK, "next_link": None}).encode()
    assert read_answer(200, body, first=True).next_link == LINK


@given(
    cut=st.integers(1, 200), rows=st.lists(st.dictionaries(st.text(), st.text() | st.none()), min_size=1, max_size=3)
)
def test_a_cut_page_is_never_a_page(cut: int, rows: list[dict[str, str | None]]) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"content": rows, "nextLink": LINK}).encode()
    for in_columns in (False, True):
        with pytest.raises(AnswerError):
            read_answer(200, body[: -min(cut, len(body))], first=True, in_columns=in_columns)


def test_the_table_in_the_documentation_is_the_table_in_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api-answers.md").read_text(encoding="utf-8")
    for kind in kinds.TABLE:
        assert f"| {kind.when} | {kind.handling} |\n" in text
    assert text.count("\n| ") == len(kinds.TABLE) + 1


def test_every_kind_of_answer_is_in_the_table() -> None:
    assert {value for value in vars(kinds).values() if isinstance(value, Kind)} == set(kinds.TABLE)
