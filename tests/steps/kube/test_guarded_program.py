from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from airfreight.errors import RetryableStepError
from airfreight.steps.base import StepSettings
from airfreight.steps.guarded_program import guarded
from airfreight.steps.landlock import ports_can_be_closed
from airfreight.steps.ways_out import PROXIES, ways_out
from tests.chart_repository import ChartRepository
from tests.steps.files import context_at

GUARD = "socks5://127.0.0.1:9"
PROXY = "http://proxy.example:3128"
HTTP, HTTPS = ("HTTP_PROXY", "http_proxy"), ("HTTPS_PROXY", "https_proxy")
GUARDED = dict.fromkeys(PROXIES, GUARD)
CLOSED = "169.254.169.254,169.254.0.0/16,fe80::1,metadata.google.internal"


@pytest.mark.usefixtures("_no_proxy")
def test_a_program_that_downloads_hears_what_the_guard_refused(tmp_path: Path):
    with (
        pytest.raises(RetryableStepError, match=r"169\.254\.169\.254, a link-local address"),
        guarded(context_at(tmp_path)) as place,
    ):
        place.run("helm", "pull", "app", "--repo=http://169.254.169.254")


@pytest.mark.usefixtures("_no_proxy")
def test_a_program_that_passes_the_guard_by_does_not_reach_this_machine(tmp_path: Path):
    """Guard: `with_one_port`. helm asks 127.0.0.1 without any proxy."""
    with (
        ChartRepository(tmp_path / "here") as repository,
        guarded(replace(context_at(tmp_path), settings=StepSettings())) as place,
    ):
        with pytest.raises(RetryableStepError, match="helm pull failed"):
            place.run("helm", "pull", "app", f"--repo={repository.url}")
        assert bool(repository.authorizations) == (not ports_can_be_closed())
        # Only the program was confined.
        assert httpx.get(repository.url, trust_env=False).status_code == HTTPStatus.OK


WAYS = {
    "no proxy": ({}, GUARDED, ""),
    "empty": ({"HTTP_PROXY": "", "https_proxy": ""}, GUARDED, ""),
    "exceptions from nothing": ({"NO_PROXY": "a.example"}, GUARDED, ""),
    "one scheme": ({"HTTPS_PROXY": PROXY}, GUARDED | dict.fromkeys(HTTPS, PROXY), ""),
    "the other, in small letters": (
        {"http_proxy": PROXY},
        GUARDED | dict.fromkeys(HTTP, PROXY),
        "",
    ),
    "exceptions": (
        {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "no_proxy": "a.example, 10.0.0.0/8"},
        dict.fromkeys(PROXIES, PROXY),
        "a.example,10.0.0.0/8",
    ),
    "an exception for metadata": (
        {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "NO_PROXY": f"{CLOSED},a.example"},
        dict.fromkeys(PROXIES, PROXY),
        "a.example",
    ),
    "an exception for everything": ({"HTTP_PROXY": PROXY, "NO_PROXY": "a, *"}, GUARDED, ""),
}


@pytest.mark.parametrize(("variables", "ways", "exceptions"), WAYS.values(), ids=WAYS)
def test_where_the_worker_has_no_proxy_the_guard_is_one(
    variables: dict[str, str], ways: dict[str, str], exceptions: str
):
    told = ways_out(variables | {"SSL_CERT_FILE": "/authorities", "SECRET": "x"}, GUARD)
    no_proxy = {"NO_PROXY": exceptions, "no_proxy": exceptions}
    assert told == ways | no_proxy | {"SSL_CERT_FILE": "/authorities"}
