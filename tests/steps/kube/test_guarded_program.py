from __future__ import annotations

from pathlib import Path

import pytest

from airfreight.errors import RetryableStepError
from airfreight.steps.guarded_program import guarded
from tests.steps.files import context_at

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, r"169\.254\.169\.254, a link-local address: requests there are refused"),
        ({"NO_PROXY": "*", "no_proxy": "*"}, "a link-local address: requests there are refused"),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, r"proxyconnect tcp: dial tcp 127\.0\.0\.1:9"),
    ],
    ids=["no proxy", "no proxy, and exceptions from it", "the worker's proxy goes first"],
)
def test_a_program_that_downloads_goes_through_the_guard_where_the_worker_has_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(RetryableStepError, match=message),
        guarded(context_at(tmp_path)) as place,
    ):
        place.run("helm", "pull", "app", "--repo=http://169.254.169.254")
