"""How a token of Entra ID becomes one of a registry of Azure's, and what is said where it does not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt
import pytest

from airfreight.artifacts.tokens.acr import AcrTokens, AzureIdentity, is_azure, read_exchange
from airfreight.errors import AirfreightError, AuthenticationError, SettingsError, TransientError
from tests.certificates import private_authority
from tests.token_endpoints import Answer, Asked, TokenEndpoints

WHOSE = "Connection 'airfreight_shop_acr'"
TENANT = "7f9c1d52-0000-4000-8000-000000000001"
END = 2_000_000_000

HOSTS = {
    "acme.azurecr.io": True,
    "acme-abc123.azurecr.io": True,
    "acme.azurecr.us": True,
    "acme.azurecr.cn": True,
    "azurecr.io": False,
    "acme.azurecr.io.evil.example": False,
    "evil.example.azurecr.io": False,
    "acme.azurecr.io:8443": False,
    "acme@evil.azurecr.io": False,
    "acmeazurecr.io": False,
    "": False,
}


@pytest.mark.parametrize(("host", "known"), HOSTS.items())
def test_only_registries_of_azure_count_as_such(host: str, known: bool) -> None:
    assert is_azure(host) is known


def registry_token(of: str = "robot") -> str:
    return jwt.encode({"exp": END, "sub": of}, "k" * 32)


class Azure:
    """Entra ID for one tenant, over https with a certificate of a private authority."""

    def __init__(self, endpoints: TokenEndpoints, authority_file: str) -> None:
        self.endpoints = endpoints
        self.authority_file = authority_file
        base = f"/{TENANT}"
        self.secrets: list[str] = []
        endpoints.answers = {
            f"{base}/v2.0/.well-known/openid-configuration": self.configuration,
            f"{base}/oauth2/v2.0/token": self.grant,
        }

    def configuration(self, _: Asked) -> tuple[int, Any]:
        url = f"{self.endpoints.url}/{TENANT}"
        return 200, {
            "authorization_endpoint": f"{url}/oauth2/v2.0/authorize",
            "token_endpoint": f"{url}/oauth2/v2.0/token",
            "issuer": f"{url}/v2.0",
        }

    def grant(self, asked: Asked) -> tuple[int, Any]:
        form = asked.form
        if form["client_secret"] != "s3cret-word":
            refusal = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid"}
            return 401, refusal
        scope = form["scope"]
        return 200, {
            "access_token": f"{form['client_id']} {scope}",
            "expires_in": 3600,
            "token_type": "Bearer",
        }

    def identity(self, **changes: Any) -> AzureIdentity:
        options = {
            "connection_verify": self.authority_file,
            "disable_instance_discovery": True,
            "retry_total": 0,
        }
        known = AzureIdentity(
            tenant=TENANT,
            client_id="app",
            client_secret="s3cret-word",
            authority=self.endpoints.url,
            options=json.dumps(options),
        )
        return replace(known, **changes)


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Azure]:
    authority, tls = private_authority(tmp_path)
    place = tmp_path / "authority.pem"
    place.write_text(authority)
    with TokenEndpoints({}, tls) as endpoints:
        yield Azure(endpoints, str(place))


def exchange(asked: Asked) -> tuple[int, Any]:
    form = asked.form
    if (form["grant_type"], form["service"]) != ("access_token", asked.headers["Host"]):
        return 400, {}
    return 200, {"refresh_token": registry_token(form["access_token"])}


@contextmanager
def registry(answer: Answer = exchange) -> Iterator[TokenEndpoints]:
    with TokenEndpoints({"/oauth2/exchange": answer}) as endpoints:
        yield endpoints


def test_a_service_principal_gets_a_token_of_the_registry(azure: Azure) -> None:
    with registry() as asked:
        token = AcrTokens(WHOSE, azure.identity(), asked.host).fetch()
    assert (token.username, token.expires_at) == ("00000000-0000-0000-0000-000000000000", END)
    who = jwt.decode(token.password, options={"verify_signature": False})["sub"]
    assert who.startswith("app https://containerregistry.azure.net/.default")
    assert asked.asked[0].form["tenant"] == TENANT


def test_a_workload_identity_is_found_without_a_secret(azure: Azure, tmp_path: Path) -> None:
    place = tmp_path / "federated"
    place.write_text("eyJ.federated")
    federated: list[str] = []

    def grant(asked: Asked) -> tuple[int, Any]:
        federated.append(asked.form["client_assertion"])
        return 200, {"access_token": "of pod", "expires_in": 3600, "token_type": "Bearer"}

    answers = azure.endpoints.answers
    answers[f"/{TENANT}/oauth2/v2.0/token"] = grant
    # azure-identity asks the public cloud for the authority's kin, unless it is a known one.
    environment = {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": "pod",
        "AZURE_FEDERATED_TOKEN_FILE": str(place),
        "AZURE_AUTHORITY_HOST": azure.endpoints.url,
    }
    options = json.loads(azure.identity().options)
    identity = AzureIdentity(options=json.dumps(options))
    with patch.dict(os.environ, environment), registry() as asked:
        token = AcrTokens(WHOSE, identity, asked.host).fetch()
    assert federated == ["eyJ.federated"]
    assert jwt.decode(token.password, options={"verify_signature": False})["sub"] == "of pod"


def test_a_wrong_secret_is_told_without_showing_it(azure: Azure) -> None:
    with pytest.raises(AuthenticationError) as caught:
        AcrTokens(WHOSE, azure.identity(client_secret="wr0ng-word"), "acme.azurecr.io").fetch()
    assert str(caught.value).startswith(f"Azure refused {WHOSE}: ")
    assert "AADSTS7000215: Invalid" in str(caught.value)
    assert "wr0ng-word" not in str(caught.value)


def test_entra_id_out_of_order_is_worth_another_try(azure: Azure) -> None:
    identity = azure.identity(authority="https://127.0.0.1:9")
    with pytest.raises(TransientError, match="Azure did not answer"):
        AcrTokens(WHOSE, identity, "acme.azurecr.io").fetch()


UNUSABLE = {
    "an authority without TLS": ({"authority": "http://login.example"}, "is an invalid authority"),
    "a tenant that is none": ({"tenant": "a/b"}, "Invalid tenant"),
}


@pytest.mark.parametrize(("changes", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_identity_that_is_not_usable_is_told(
    azure: Azure, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        AcrTokens(WHOSE, azure.identity(**changes), "acme.azurecr.io").fetch()
    assert str(caught.value).startswith(f"{WHOSE} cannot ask Azure: ")
    assert said in str(caught.value)


HOST = "acme.azurecr.io"
EXCHANGES = {
    "no role on the registry": (
        401,
        b'{"errors":[{"code":"UNAUTHORIZED"}]}',
        AuthenticationError,
        f"{HOST} refused {WHOSE}: HTTP 401 to the exchange of tokens; "
        "give the identity the role AcrPull, or AcrPush to push, on this registry",
    ),
    "no token": (
        200,
        b"{}",
        AuthenticationError,
        f"{HOST} refused {WHOSE}: HTTP 200 to the exchange of tokens; "
        "give the identity the role AcrPull, or AcrPush to push, on this registry",
    ),
    "too many": (
        429,
        b"",
        TransientError,
        f"{WHOSE}: {HOST} has trouble: HTTP 429 to the exchange of tokens",
    ),
    "trouble": (
        503,
        b"<html>",
        TransientError,
        f"{WHOSE}: {HOST} has trouble: HTTP 503 to the exchange of tokens",
    ),
}


@pytest.mark.parametrize(("status", "body", "kind", "message"), EXCHANGES.values(), ids=EXCHANGES)
def test_what_a_registry_refuses_is_told(
    status: int, body: bytes, kind: type[AirfreightError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        read_exchange(status, body, HOST, WHOSE)
    assert str(caught.value) == message


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.e30.c"])
def test_a_token_that_does_not_tell_its_end_is_kept_for_an_hour(token: str) -> None:
    body = json.dumps({"refresh_token": token}).encode()
    found = read_exchange(200, body, HOST, WHOSE)
    assert 3500 < found.expires_at - time.time() < 3700


def test_a_registry_that_is_down_is_worth_another_try(azure: Azure) -> None:
    with pytest.raises(TransientError, match="did not answer: ConnectError"):
        AcrTokens(WHOSE, azure.identity(), "127.0.0.1:9").fetch()


def test_no_secret_shows_in_a_repr() -> None:
    assert "s3cret" not in repr(AcrTokens(WHOSE, AzureIdentity(client_secret="s3cret"), HOST))
