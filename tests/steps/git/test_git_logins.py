"""Logins of Git over HTTP: who gets them, and who never sees them."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from airfreight.errors import TerminalStepError
from airfreight.model.credential import Credential
from airfreight.steps.base import StepSettings
from tests.git_http import GitHttpServer
from tests.processes import arguments_of_processes
from tests.steps.git.conftest import PASSWORD, Bench


def test_the_login_opens_the_repository_and_is_written_nowhere(
    bench: Bench, locked: GitHttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    locked.create("app", {"a.txt": "one\n"})
    bench.logins.known[locked.url("app")] = Credential("robot", PASSWORD)
    bench.promote(locked.url("app"))
    assert len(locked.log("app")) == 2
    pair = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
    spellings = [PASSWORD, quote(PASSWORD, safe=""), pair]
    files = [place for place in bench.root.rglob("*") if place.is_file()]
    found = [s for s in spellings for place in files if s.encode() in place.read_bytes()]
    assert found == []
    assert not any(spelling in caplog.text for spelling in spellings)


def test_no_process_shows_the_login_in_its_arguments(bench: Bench, locked: GitHttpServer) -> None:
    locked.create("app", {"a.txt": "one\n"})
    bench.logins.known[locked.url("app")] = Credential("robot", PASSWORD)
    with arguments_of_processes() as seen:
        bench.clone(locked.url("app"))
    assert any(b"remote-http" in line or b"clone" in line for line in seen)
    assert not any(PASSWORD.encode() in line for line in seen)


_LOCAL = StepSettings(allow_loopback=True, allow_credentials_over_http=True)


@pytest.mark.parametrize(
    ("password", "settings"),
    [
        pytest.param("wrong-pass", _LOCAL, id="wrong"),
        pytest.param(PASSWORD, StepSettings(allow_loopback=True), id="not over http"),
    ],
)
def test_a_refused_login_is_terminal_and_not_quoted(
    bench: Bench, locked: GitHttpServer, password: str, settings: StepSettings
) -> None:
    locked.create("app", {"a.txt": "one\n"})
    bench.settings = settings
    bench.logins.known[locked.url("app")] = Credential("robot", password)
    with pytest.raises(TerminalStepError, match="git clone with") as caught:
        bench.clone(locked.url("app"))
    assert password not in str(caught.value)
    assert (locked.authorizations != []) == settings.allow_credentials_over_http


def test_a_redirect_to_another_host_gets_no_login(
    bench: Bench, server: GitHttpServer, locked: GitHttpServer
) -> None:
    locked.create("app", {"a.txt": "one\n"})
    server.redirects["app"] = locked.url("app")
    bench.logins.known[server.url("app")] = Credential("robot", PASSWORD)
    with pytest.raises(TerminalStepError):
        bench.clone(server.url("app"))
    assert locked.authorizations == []
