from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from airfreight.model.credential import Credential
from airfreight.model.masking import mask

SECRET = 'p"w/\\é'


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
    ],
    ids=["plain", "JSON", "JSON with letters", "repr", "URL", "Base64"],
)
def test_no_spelling_of_a_secret_is_left(spelling: str):
    assert mask(f"said {spelling}!", [SECRET]) == "said ***!"


def test_of_two_secrets_the_longer_goes_first():
    assert mask("hunter22 hunter2", ["hunter2", "hunter22"]) == "*** ***"


def test_an_empty_secret_hides_nothing():
    assert mask("text", [""]) == "text"


@pytest.mark.parametrize("user", ["robot", ""])
def test_a_login_is_not_left_as_basic_authentication(user: str):
    sent = base64.b64encode(f"{user}:hunter2".encode()).decode()
    assert Credential("robot", "hunter2").mask(f"Basic {sent}") == "Basic ***"
