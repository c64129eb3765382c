"""Which Google identity fetches a token, how, and what is said where it cannot."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt
import pytest

from airfreight.artifacts.tokens.artifact_registry import GoogleTokens, is_google, project_token
from airfreight.errors import AirfreightError, AuthenticationError, SettingsError, TransientError
from tests.keys import rsa_key
from tests.token_endpoints import Answer, Asked, TokenEndpoints

WHOSE = "Connection 'airfreight_shop_gar'"
ROBOT = "robot@acme.iam.gserviceaccount.com"
GRANTED = {"access_token": "ya29.s3cret", "expires_in": 3600, "token_type": "Bearer"}

HOSTS = {
    "europe-west1-docker.pkg.dev": True,
    "us-docker.pkg.dev": True,
    "gcr.io": True,
    "eu.gcr.io": True,
    "evil-gcr.io": False,
    "gcr.io.evil.example": False,
    "evil.example.gcr.io": False,
    "europe-west1-docker.pkg.dev.evil.example": False,
    "docker.pkg.dev": False,
    "europe-west1-python.pkg.dev": False,
    "gcr.io:8443": False,
    "": False,
}


@pytest.mark.parametrize(("host", "known"), HOSTS.items())
def test_only_registries_of_google_count_as_such(host: str, known: bool) -> None:
    assert is_google(host) is known


def grant(asked: Asked) -> tuple[int, Any]:
    """Give a token for what the robot's key has signed."""
    claims = jwt.decode(
        asked.form["assertion"], rsa_key()[1], ["RS256"], options={"verify_aud": False}
    )
    assert (claims["iss"], claims["scope"]) == (
        ROBOT,
        "https://www.googleapis.com/auth/cloud-platform",
    )
    return 200, GRANTED


@pytest.fixture
def google() -> Iterator[TokenEndpoints]:
    with TokenEndpoints({"/token": grant}) as fake:
        yield fake


def service_account(url: str, **changes: str) -> str:
    key = {
        "type": "service_account",
        "project_id": "acme",
        "private_key": rsa_key()[0],
        "client_email": ROBOT,
        "token_uri": f"{url}/token",
    }
    return json.dumps({**key, **changes})


def check(token: Any, password: str = "ya29.s3cret") -> None:
    assert (token.username, token.password) == ("oauth2accesstoken", password)
    assert 3500 < token.expires_at - time.time() < 3700


def test_the_key_of_a_service_account_gets_a_token(google: TokenEndpoints) -> None:
    check(GoogleTokens(WHOSE, service_account(google.url)).fetch())


def test_a_key_may_lie_in_a_file(google: TokenEndpoints, tmp_path: Path) -> None:
    place = tmp_path / "key.json"
    place.write_text(service_account(google.url))
    check(GoogleTokens(WHOSE, key_file=str(place)).fetch())


def test_the_default_credentials_are_found_without_a_key(
    google: TokenEndpoints, tmp_path: Path
) -> None:
    place = tmp_path / "adc.json"
    place.write_text(service_account(google.url))
    with patch.dict(os.environ, {"GOOGLE_APPLICATION_CREDENTIALS": str(place)}):
        check(GoogleTokens(WHOSE).fetch())


def test_a_federated_identity_acts_as_its_service_account(tmp_path: Path) -> None:
    subject = tmp_path / "subject"
    subject.write_text("eyJ.subject")
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    act = f"/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
    answers: dict[str, Answer] = {
        "/v1/token": lambda asked: (200, {**GRANTED, "access_token": asked.form["subject_token"]}),
        act: lambda asked: (
            200,
            {"accessToken": f"as robot by {asked.headers['authorization']}", "expireTime": end},
        ),
    }
    with TokenEndpoints(answers) as fake:
        key = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{fake.url}/v1/token",
            "credential_source": {"file": str(subject)},
            "service_account_impersonation_url": f"{fake.url}{act}",
        }
        token = GoogleTokens(WHOSE, json.dumps(key)).fetch()
    check(token, "as robot by Bearer eyJ.subject")


@dataclass
class Iam:
    """Google's API to act as another account, as google-auth asks it."""

    status: int
    asked: list[str] = field(default_factory=list)

    def __call__(self, url: str, **request: Any) -> Any:
        self.asked.append(url)
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        body = {"accessToken": "of the project", "expireTime": end}
        refusal = {"error": {"code": self.status, "message": "no"}}
        return _Response(self.status, json.dumps(body if self.status == 200 else refusal).encode())


@dataclass
class _Response:
    status: int
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


PROJECT_ACCOUNTS = {
    "as which it may act": (200, "of the project"),
    "which is not there, or not for the worker": (403, "of the worker"),
}


@pytest.mark.parametrize(("status", "password"), PROJECT_ACCOUNTS.values(), ids=PROJECT_ACCOUNTS)
def test_the_worker_acts_as_the_account_of_the_project(status: int, password: str) -> None:
    iam = Iam(status)
    token = project_token(_Worker(), "kargo-project-shop", "acme", iam)
    assert token.password == password
    account = "kargo-project-shop@acme.iam.gserviceaccount.com"
    (asked,) = {url for url in iam.asked if "generateAccessToken" in url}
    assert f"/{account}:" in asked


class _Worker:
    """Credentials that are good for an hour."""

    token = "of the worker"
    expiry = None
    token_state = None
    universe_domain = "googleapis.com"

    def refresh(self, request: Any) -> None:
        pass

    def apply(self, headers: dict[str, str], token: str | None = None) -> None:
        headers["authorization"] = f"Bearer {self.token}"


def refusing(status: int, body: object) -> dict[str, Answer]:
    return {"/token": lambda _: (status, body)}


REFUSALS = {
    "a key that was deleted": (
        refusing(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
        AuthenticationError,
        f"Google refused {WHOSE}: invalid_grant: Invalid JWT Signature.",
    ),
    "an answer that is none": (
        refusing(200, {"nothing": ""}),
        AuthenticationError,
        f"Google refused {WHOSE}: No access token in response.",
    ),
}


@pytest.mark.parametrize(("answers", "kind", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_google_refuses_is_told(answers, kind: type[AirfreightError], message: str) -> None:
    with TokenEndpoints(answers) as fake, pytest.raises(kind) as caught:
        GoogleTokens(WHOSE, service_account(fake.url)).fetch()
    assert str(caught.value) == message


def test_google_out_of_order_is_worth_another_try() -> None:
    key = service_account("http://127.0.0.1:9")
    with pytest.raises(TransientError, match="Google did not answer"):
        GoogleTokens(WHOSE, key).fetch()


UNREADABLE = {
    "no JSON": "-----BEGIN PRIVATE KEY-----",
    "of no known type": json.dumps({"type": "password"}),
    "without its fields": json.dumps({"type": "service_account"}),
    "with a key that is none": service_account("http://127.0.0.1:9", private_key="s3cret"),
    "a list": "[]",
}


@pytest.mark.parametrize("key", UNREADABLE.values(), ids=UNREADABLE)
def test_a_key_that_cannot_be_read_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        GoogleTokens(WHOSE, key).fetch()
    assert str(caught.value).startswith(WHOSE)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match=r"its key cannot be read: .*/nowhere/key\.json"):
        GoogleTokens(WHOSE, key_file="/nowhere/key.json").fetch()


def test_no_secret_shows_in_a_repr() -> None:
    assert "s3cret" not in repr(GoogleTokens(WHOSE, '{"private_key": "s3cret"}'))
