"""Where Airflow is and who asks: flags, then the environment."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from airfreight.cli.api import AirflowApi
from airfreight.cli.world import World
from airfreight.errors import SettingsError

_DEFAULT_URL = "http://localhost:8080"
_TIMEOUT_SECONDS = 30.0
_LAST_PORT = 65_535  # the system takes a higher one for another


def read_url(text: str) -> httpx.URL:
    """Return the URL; raises SettingsError, without repeating it, where it is none or holds a login."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        url = httpx.URL("")
    if url.userinfo:
        raise SettingsError(
            "the URL of Airflow holds a login; use AIRFREIGHT_USERNAME and AIRFREIGHT_PASSWORD"
        )
    if url.scheme not in ("http", "https") or not _can_be_host(url.host):
        raise SettingsError(f"the URL of Airflow has to be such as {_DEFAULT_URL}")
    if (url.port or 0) > _LAST_PORT:
        raise SettingsError(f"the port of Airflow has to be at most {_LAST_PORT}")
    return url


def _can_be_host(host: str) -> bool:
    return 0 < len(host) < 254 and all(len(label) < 64 for label in host.split("."))


@contextmanager
def connected(args: argparse.Namespace, world: World) -> Iterator[AirflowApi]:
    """Give the API, logged in; raises SettingsError where there is no login."""
    environ = world.environ
    url = read_url(args.api_url or environ.get("AIRFREIGHT_API_URL") or _DEFAULT_URL)
    token = environ.get("AIRFREIGHT_TOKEN", "")
    username = args.username or environ.get("AIRFREIGHT_USERNAME", "")
    password = environ.get("AIRFREIGHT_PASSWORD", "")
    if not token and not (username and password):
        raise SettingsError("set AIRFREIGHT_USERNAME and AIRFREIGHT_PASSWORD, or AIRFREIGHT_TOKEN")
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, transport=world.transport) as client:
        api = AirflowApi(client)
        if token and not args.username:
            api.use_token(token)
        else:
            api.log_in(username, password)
        yield api
