"""The one client of all services: limits, logins, errors, redirects; and no password anywhere."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.services import service_of
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    SettingsError,
    TransientError,
)
from airfreight.model.credential import Credential
from tests.certificates import private_authority
from tests.git_http import GitHttpServer
from tests.steps.pull_requests.play import NUMBERS, REPOSITORIES, body

PASSWORD = "s3cret/ü+token"
LOGIN = Credential("bot", PASSWORD)
NOW = 1_700_000_000.0

Handler = Callable[[httpx.Request], httpx.Response]


def client(
    answer: httpx.Response | Handler, url: str = REPOSITORIES["github"], **settings: Any
) -> HostingClient:
    handler = answer if callable(answer) else lambda _: answer
    return HostingClient(
        service=service_of(url, settings.pop("provider", None)),
        http=lambda: httpx.Client(transport=httpx.MockTransport(handler)),
        now=lambda: NOW,
        **{"credential": LOGIN, **settings},
    )


def ask(hosting: HostingClient) -> Any:
    return hosting.run(hosting.service.get(1))


@pytest.mark.parametrize(
    ("status", "headers", "said", "wait"),
    [
        pytest.param(429, {"Retry-After": "30"}, {}, 30, id="429 says how long"),
        pytest.param(429, {}, {}, 60, id="429 says nothing"),
        pytest.param(429, {"RateLimit-Reset": "1700000120"}, {}, 120, id="GitLab says until when"),
        pytest.param(
            403,
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000042"},
            {"message": "API rate limit exceeded for user ID 1."},
            42,
            id="GitHub's primary limit",
        ),
        pytest.param(403, {}, body("github/secondary_limit"), 60, id="GitHub's secondary limit"),
        pytest.param(
            403, {"Retry-After": "7"}, body("github/secondary_limit"), 7, id="secondary, with time"
        ),
        pytest.param(429, {"Retry-After": "0"}, {}, 1, id="at least a second"),
        pytest.param(429, {"Retry-After": "9999999"}, {}, 3600, id="at most an hour"),
        pytest.param(429, {"Retry-After": "soon"}, {}, 60, id="a time that is none"),
        pytest.param(
            429, {"Retry-After": "Tue, 14 Nov 2023 22:14:50 GMT"}, {}, 90, id="429 says until when"
        ),
        pytest.param(503, {"Retry-After": "90"}, {}, 90, id="maintenance with a time"),
    ],
)
def test_a_limit_says_when_to_come_back(
    status: int, headers: dict[str, str], said: dict[str, str], wait: float
) -> None:
    with pytest.raises(TransientError, match=r"github at .* asks for a pause") as raised:
        ask(client(httpx.Response(status, headers=headers, json=said)))
    assert raised.value.retry_after == wait


def test_a_limit_is_no_answer_to_a_question_that_reads_that_status() -> None:
    limited = httpx.Response(429, headers={"Retry-After": "5"}, json={})
    hosting = client(limited, REPOSITORIES["gitlab"])
    with pytest.raises(TransientError) as raised:
        hosting.run(hosting.service.get(14))
    assert raised.value.retry_after == 5


@pytest.mark.parametrize(
    ("status", "name", "kind", "problem"),
    [
        (401, "bad_credentials", AuthenticationError, "refused the login of user 'bot': HTTP 401"),
        (403, "not_found", AuthenticationError, "refused the login of user 'bot': HTTP 403"),
        (203, "not_found", AuthenticationError, "refused the login of user 'bot': HTTP 203"),
        (404, "not_found", NotFoundError, "hides it from the login of user 'bot': HTTP 404"),
        (500, "not_found", TransientError, "has trouble: HTTP 500"),
        (502, "not_found", TransientError, "has trouble: HTTP 502"),
        (408, "not_found", TransientError, "has trouble: HTTP 408"),
        (409, "not_found", ArtifactError, "refused: HTTP 409"),
        (422, "exists", ArtifactError, "Validation Failed; A pull request already exists"),
    ],
)
def test_an_error_says_who_asked_what_and_what_the_service_says(
    status: int, name: str, kind: type[ArtifactError], problem: str
) -> None:
    with pytest.raises(ArtifactError) as raised:
        ask(client(httpx.Response(status, json=body(f"github/{name}"))))
    assert type(raised.value) is kind
    assert problem in str(raised.value)
    assert "GET /repos/octocat/Hello-World/pulls/1" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("gitlab", "unauthorized", "401 Unauthorized"),
        ("gitlab", "exists", "Another open merge request already exists"),
        ("bitbucket", "conflict", "You can't merge until you resolve all merge conflicts."),
        ("azure", "exists", "TF401179"),
        ("gitea", "not_allowed", "Please try again later"),
    ],
)
def test_the_words_of_each_service_are_found_in_its_errors(
    name: str, said: str, words: str
) -> None:
    answer = httpx.Response(400, json=body(f"{name}/{said}"))
    with pytest.raises(ArtifactError) as raised:
        ask(client(answer, REPOSITORIES[name]))
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"credential": None}, "no git credential of the project is for this repository"),
        ({"credential": Credential("git", "")}, "the git credential has no password"),
        ({}, "none is sent over plain http"),
    ],
    ids=["no login", "a key only", "plain http"],
)
def test_a_visit_without_login_says_why_there_was_none(
    settings: dict[str, Any], problem: str
) -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(401, json={"message": "Requires authentication"})

    with pytest.raises(AuthenticationError, match="a visit without login") as raised:
        ask(client(answer, "http://github.acme.org/o/r", **settings))
    assert problem in str(raised.value)
    assert seen == [None]


def test_a_login_travels_over_plain_http_where_that_is_allowed() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200, json=body("gitea/open"))

    url = "http://gitea.acme.org:3000/o/r"
    login = Credential("bot", "t0ken")
    ask(client(answer, url, credential=login, allow_credentials_over_http=True))
    assert seen == ["token t0ken"]


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        base64.b64encode(f"bot:{PASSWORD}".encode()).decode(),
        base64.b64encode(f":{PASSWORD}".encode()).decode(),
    ],
    ids=["plain", "in a URL", "Basic", "Azure's Basic"],
)
def test_a_service_that_echoes_the_password_does_not_get_it_into_a_message(echo: str) -> None:
    answer = httpx.Response(400, json={"message": f"bad token {echo}\r\n\x1b[2J here"})
    with pytest.raises(ArtifactError) as raised:
        ask(client(answer))
    assert str(raised.value).endswith("bad token *** [2J here")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(
            httpx.Response(200, text="<html>Sign in</html>"), "answered with no JSON", id="HTML"
        ),
        pytest.param(httpx.Response(200, json=[]), "not of the form", id="a list"),
        pytest.param(httpx.Response(200, json={"number": "x"}), "not of the form", id="no number"),
        pytest.param(httpx.Response(200, content=b""), "not of the form", id="empty"),
        pytest.param(
            httpx.Response(200, content=b'"' + b"x" * (10 * 1024 * 1024)),
            "sent more than 10485760 bytes",
            id="too large",
        ),
        pytest.param(
            httpx.Response(200, content=b"[" * 100_000), "answered with no JSON", id="too deep"
        ),
    ],
)
def test_what_a_service_should_not_send_is_an_error_and_no_crash(
    answer: httpx.Response, problem: str
) -> None:
    with pytest.raises(ArtifactError, match=problem):
        ask(client(answer))


def test_a_service_that_does_not_answer_may_later() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout(f"no answer to {request.url} with {PASSWORD}")

    with pytest.raises(TransientError) as raised:
        ask(client(answer))
    assert str(raised.value) == "github at api.github.com did not answer: ConnectTimeout"
    assert raised.value.retry_after is None


def test_a_redirect_to_another_host_takes_no_login_along() -> None:
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[request.url.host] = request.headers.get("Authorization")
        if request.url.host == "api.github.com":
            return httpx.Response(301, headers={"Location": "https://evil.example/pulls/1"})
        return httpx.Response(200, json=body("github/open"))

    assert ask(client(answer)).number == NUMBERS["github"]
    assert set(seen) == {"api.github.com", "evil.example"}
    assert seen["api.github.com"]
    assert seen["evil.example"] is None


def test_a_write_that_a_redirect_turns_into_a_read_is_not_taken_for_done() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=body("gitlab/merged"))
        return httpx.Response(302, headers={"Location": "/api/v4/elsewhere"})

    hosting = client(answer, REPOSITORIES["gitlab"])
    one = hosting.run(hosting.service.get(14))
    with pytest.raises(ArtifactError, match="redirects a PUT elsewhere"):
        hosting.run(hosting.service.merge(one, None))


def test_this_machine_is_reached_only_where_the_setting_opens_it(tmp_path: Any) -> None:
    with GitHttpServer(tmp_path / "remote") as server:
        service = service_of(server.url("shop/gitops"), "gitea")
        for allowed, kind in ((False, SettingsError), (True, NotFoundError)):
            http = partial(guarded_client, allow_loopback=allowed, timeout=5)
            with pytest.raises(kind) as raised:
                ask(HostingClient(service, http))
            assert ("allow_loopback" in str(raised.value)) is not allowed


def test_a_private_authority_is_trusted_where_the_connection_names_it(tmp_path: Path) -> None:
    authority, tls = private_authority(tmp_path)
    with GitHttpServer(tmp_path / "git", tls=tls) as server:
        server.api = lambda *_: (200, body("gitlab/open"))
        url = server.url("shop/gitops")
        where = url.removeprefix("https://").partition("/")[0]
        reach = partial(guarded_client, allow_loopback=True, timeout=20)
        service = service_of(url, "gitlab")
        with pytest.raises(ArtifactError) as raised:
            ask(HostingClient(service, reach, LOGIN))
        assert ask(HostingClient(service, partial(reach, authority=authority), LOGIN)).number == 14
    assert str(raised.value) == (
        f"gitlab at {where} has a certificate that is not trusted: unable to get local issuer certificate; where a "
        "private authority signed it, put the authority's own into `ca_certificate` of the Connection's extra"
    )
