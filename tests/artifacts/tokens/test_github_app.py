"""What a GitHub App signs, asks and gets, and what is said where it gets nothing."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from airfreight.artifacts.tokens.github_app import (
    GitHubAppTokens,
    may_open,
    read_private_key,
    sign,
)
from airfreight.errors import (
    AirfreightError,
    AuthenticationError,
    NotFoundError,
    SettingsError,
    TransientError,
)
from tests.git_http import GitHttpServer
from tests.github_app import APP, INSTALLATION, GitHubAppServer
from tests.keys import rsa_key

WHOSE = "Connection 'airfreight_shop_github'"
REPOSITORY = "acme/gitops"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubAppServer]:
    with GitHttpServer(tmp_path / "remote") as server:
        yield GitHubAppServer(server, (REPOSITORY, "acme/other"))


def provider(github: GitHubAppServer, name: str = REPOSITORY, **changes: Any) -> GitHubAppTokens:
    arguments = {
        "app": APP,
        "installation": INSTALLATION,
        "private_key": rsa_key()[0],
        "web_address": github.git.url(name).removesuffix(".git"),
        "allow_loopback": True,
        "allow_credentials_over_http": True,
    }
    return GitHubAppTokens(WHOSE, **{**arguments, **changes})


def test_the_installation_gives_a_token_for_the_one_repository(github: GitHubAppServer) -> None:
    token = provider(github).fetch()
    assert (token.username, token.password) == ("x-access-token", "ghs_s3cret-1")
    assert 3500 < token.expires_at - time.time() < 3700
    assert github.scopes == [["gitops"]]


def test_a_new_token_is_given_when_github_knows_it(github: GitHubAppServer) -> None:
    github.unknown_for = 2
    slept: list[float] = []
    provider(github, sleep=slept.append).fetch()
    assert slept == [3.0, 10.0]


def test_a_token_that_github_never_knows_is_told(github: GitHubAppServer) -> None:
    github.unknown_for = 99
    slept: list[float] = []
    with pytest.raises(AuthenticationError, match="does not take the token that it has just given"):
        provider(github, sleep=slept.append).fetch()
    assert slept == [3.0, 10.0, 30.0]


REFUSALS: dict[str, tuple[dict[str, Any], type[AirfreightError], str]] = {
    "another App": (
        {"app": "Iv0"},
        AuthenticationError,
        "github at {host} refused the login of user 'Iv0': HTTP 401 to POST "
        "/app/installations/4242/access_tokens: A JSON web token could not be decoded",
    ),
    "no such installation": (
        {"installation": "7"},
        AuthenticationError,
        "github at {host} knows no installation 7 of this GitHub App",
    ),
    "a repository that is not the App's": (
        {"name": "acme/secret"},
        NotFoundError,
        "installation 4242 of the GitHub App has no repository 'secret': it does not exist, or nobody gave it "
        "to the App (http://{host}/acme/secret)",
    ),
    "a key that is none": (
        {"private_key": "s3cret"},
        SettingsError,
        f"{WHOSE}: the private key of the GitHub App is none: expected RSA in PEM, as GitHub gives it, or that "
        "in base64",
    ),
    "plain http that is not allowed": (
        {"allow_credentials_over_http": False},
        AuthenticationError,
        "github at {host} refused a visit without login (none is sent over plain http; use https, or set "
        "allow_credentials_over_http): HTTP 401 to POST /app/installations/4242/access_tokens: "
        "A JSON web token could not be decoded",
    ),
}


@pytest.mark.parametrize(("changes", "kind", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_github_refuses_is_told(
    github: GitHubAppServer, changes: dict[str, Any], kind: type[AirfreightError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        provider(github, **changes).fetch()
    host = github.git.url("x").split("/")[2]
    assert str(caught.value) == message.format(host=host)
    assert type(caught.value) is kind


@pytest.mark.parametrize("status", [500, 503, 429])
def test_github_in_trouble_is_worth_another_try(github: GitHubAppServer, status: int) -> None:
    github.status = status
    with pytest.raises(TransientError):
        provider(github).fetch()


def test_a_signature_is_good_for_less_than_ten_minutes_and_for_a_clock_that_is_ahead() -> None:
    signed = sign(APP, rsa_key()[0], 1_000_000.0, WHOSE)
    claims = jwt.decode(signed, rsa_key()[1], ["RS256"], options={"verify_exp": False})
    assert claims == {"iss": APP, "iat": 999_940, "exp": 1_000_540}
    assert jwt.get_unverified_header(signed)["alg"] == "RS256"


KEYS = {
    "PEM": rsa_key()[0],
    "base64": base64.b64encode(rsa_key()[0].encode()).decode(),
    "base64 in lines": base64.encodebytes(rsa_key()[0].encode()).decode(),
}


@pytest.mark.parametrize("text", KEYS.values(), ids=KEYS)
def test_a_key_may_be_in_pem_or_in_base64(text: str) -> None:
    assert read_private_key(text) == rsa_key()[0].strip()


def test_names_of_repositories_are_compared_as_github_does() -> None:
    assert may_open("GitOps", ["gitops"])
    assert not may_open("gitops", ["gitops-secret", "git", "*"])


def test_no_secret_shows_in_a_repr(github: GitHubAppServer) -> None:
    assert "PRIVATE KEY" not in repr(provider(github))
