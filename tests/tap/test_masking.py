"""Nothing of a key is shown, in whatever form an API repeats it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap.scripted import scripted_api, scripted_settings
from tap.tap_runs import run

from sandbox.api.keys import make_key
from tap_azure_ea_billing.sources.secrets.masking import KeyMask

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = make_key("1", 180)
OPAQUE = "Zm9>~vb~?"  # in base64 it has + and /, or - and _
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "standard": lambda key: base64.b64encode(key.encode()).decode(),
    "url-safe": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "header": lambda key: base64.b64encode(f"bearer {key}".encode()).decode(),
    "header with one more": lambda key: base64.b64encode(f"Bearer  {key}\n".encode()).decode(),
    "header with two more": lambda key: base64.b64encode(f"\tBearer  {key}".encode()).decode(),
    "percent": lambda key: quote(base64.b64encode(key.encode()).decode(), safe=""),
    "percent, small": lambda key: quote(base64.b64encode(key.encode()).decode(), safe="").replace("%2B", "%2b"),
    "json": lambda key: base64.b64encode(key.encode()).decode().replace("/", "\\/").replace("+", "\\u002B"),
}


def parts(text: str, length: int = 8) -> set[str]:
    return {text[at : at + length] for at in range(len(text) - length + 1)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [KEY, OPAQUE * 5])
def test_a_key_in_any_form_is_hidden_whole_and_in_part(form: str, key: str) -> None:
    text = FORMS[form](key)
    mask = KeyMask(key)
    for shown in (text, text[: len(text) // 2], text[len(text) // 2 :], text[3:60]):
        hidden = mask.hide(f"<{shown}>")
        assert "(key)" in hidden
        assert not parts(hidden.replace("(key)", "\n"), 16) & parts(text, 16)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [40, 90, 110])
def test_no_error_shows_a_key_that_the_api_repeats(form: str, cut: int) -> None:
    text = FORMS[form](KEY)
    body = b"x" * cut + f" {text}".encode()
    with scripted_api([(400, body, {})]) as api:
        output = run(scripted_settings(api, api_key=KEY))
    assert "status 400" in output.error
    assert not parts(output.error) & parts(text[12:])


@pytest.mark.parametrize("form", FORMS)
def test_no_warning_shows_a_key_that_the_api_repeats(form: str, caplog: pytest.LogCaptureFixture) -> None:
    text = FORMS[form](KEY)
    with scripted_api([(503, text.encode(), {}), (200, b'{"content":[{}]}', {})]) as api:
        output = run(scripted_settings(api, api_key=KEY))
    assert output.error == ""
    assert "Try 1 failed" in caplog.text
    assert not parts(caplog.text) & parts(text[12:])


def test_a_key_in_a_link_is_hidden() -> None:
    first = b'{"content":[{}],"nextLink":"https://elsewhere.example/?key=%s"}' % FORMS["standard"](KEY).encode()
    with scripted_api([(200, first, {})]) as api:
        output = run(scripted_settings(api, api_key=KEY))
    assert "`nextLink` has another scheme" in output.error
    assert not parts(output.error) & parts(FORMS["standard"](KEY))


def test_a_key_of_another_enrollment_is_hidden_like_any_jwt() -> None:
    other = make_key("2", 180)
    for text in (other, FORMS["standard"](other)):
        assert KeyMask("secret").hide(f"<{text}>") in {"<(key)>", "<(key)=>"}


@pytest.mark.parametrize("key", ["k", "key", "secret"])
def test_a_short_key_hides_itself_and_little_else(key: str) -> None:
    assert KeyMask(key).hide(f"<{key}> and text") == "<(key)> and text"


@given(st.text(max_size=60))
def test_other_text_is_left_as_it_is(text: str) -> None:
    if "eyJ" not in text and "ZXlK" not in text:
        assert KeyMask(OPAQUE * 5).hide(text) == text
