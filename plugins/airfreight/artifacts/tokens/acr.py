"""Azure's Container Registry: a token of Entra ID is exchanged for one of the registry (azure-identity)."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from airfreight.artifacts.oci.protocol import is_this_machine
from airfreight.artifacts.tokens.token import Token, in_short, needs
from airfreight.errors import AuthenticationError, SettingsError, TransientError

_HOST = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\.azurecr\.(?P<cloud>io|us|cn)")
# What Docker sends with a registry's token: no user at all.
_USERNAME = "00000000-0000-0000-0000-000000000000"
_AUDIENCES = {
    "us": "https://management.usgovcloudapi.net",
    "cn": "https://management.chinacloudapi.cn",
}
_USUAL_AUDIENCE = "https://containerregistry.azure.net"
_TIMEOUT = 10.0  # seconds for one answer
_LIFETIME = 3600.0  # seconds, where the token does not tell its end; Azure's live for three hours


def is_azure(host: str) -> bool:
    """Say whether a registry's host is Azure's."""
    return _HOST.fullmatch(host) is not None


@dataclass(frozen=True)
class AzureIdentity:
    """Who asks Azure: a service principal where there is a `client_secret`, else whom azure-identity finds.

    `options` are further arguments for it, as JSON; `authority` is Entra ID's address where it
    is not the public one.
    """

    tenant: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    managed_identity_client_id: str = ""
    workload_identity_tenant_id: str = ""
    authority: str = ""
    options: str = "{}"


@dataclass(frozen=True)
class AcrTokens:
    """Tokens for one registry."""

    whose: str
    identity: AzureIdentity
    host: str

    def fetch(self) -> Token:
        """Ask for a new token; blocks."""
        with needs("azure-identity", self.whose), _azure_errors(self.whose):
            access = _credential(self.identity).get_token(f"{_audience(self.host)}/.default").token
        scheme = "http" if is_this_machine(self.host) else "https"
        form = {"grant_type": "access_token", "service": self.host, "access_token": access}
        if self.identity.tenant:
            form["tenant"] = self.identity.tenant
        try:
            with httpx.Client(timeout=_TIMEOUT, trust_env=False) as http:
                answer = http.post(f"{scheme}://{self.host}/oauth2/exchange", data=form)
        except httpx.HTTPError as error:
            raise TransientError(
                f"{self.whose}: {self.host} did not answer: {type(error).__name__}"
            ) from None
        return read_exchange(answer.status_code, answer.content, self.host, self.whose)


def read_exchange(status: int, body: bytes, host: str, whose: str) -> Token:
    """Read what ``/oauth2/exchange`` answers."""
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        raise TransientError(
            f"{whose}: {host} has trouble: HTTP {status} to the exchange of tokens"
        )
    try:
        token = json.loads(body)["refresh_token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        token = None
    if status != httpx.codes.OK or not isinstance(token, str) or not token:
        raise AuthenticationError(
            f"{host} refused {whose}: HTTP {status} to the exchange of tokens; "
            "give the identity the role AcrPull, or AcrPush to push, on this registry"
        )
    return Token(_USERNAME, token, _end_of(token))


def _end_of(token: str) -> float:
    """Return when a JSON Web Token ends; it is not ours to verify."""
    try:
        claims = token.split(".")[1]
        end = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return float(end)
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        return time.time() + _LIFETIME


def _audience(host: str) -> str:
    match = _HOST.fullmatch(host)
    return _AUDIENCES.get(match["cloud"], _USUAL_AUDIENCE) if match else _USUAL_AUDIENCE


def _credential(identity: AzureIdentity) -> Any:
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    options = json.loads(identity.options)
    if identity.authority:
        options["authority"] = identity.authority
    if identity.client_secret:
        return ClientSecretCredential(
            identity.tenant, identity.client_id, identity.client_secret, **options
        )
    return DefaultAzureCredential(
        managed_identity_client_id=identity.managed_identity_client_id or None,
        workload_identity_tenant_id=identity.workload_identity_tenant_id or None,
        **options,
    )


@contextmanager
def _azure_errors(whose: str) -> Iterator[None]:
    import azure.core.exceptions as azure
    from azure.identity import CredentialUnavailableError

    try:
        yield
    except CredentialUnavailableError as error:
        raise SettingsError(f"{whose} finds no Azure identity: {in_short(error.message)}") from None
    except azure.ClientAuthenticationError as error:
        if isinstance(error.__cause__, azure.ServiceRequestError | azure.ServiceResponseError):
            raise TransientError(
                f"{whose}: Azure did not answer: {in_short(error.message)}"
            ) from None
        raise AuthenticationError(f"Azure refused {whose}: {in_short(error.message)}") from None
    except azure.AzureError as error:
        raise TransientError(f"{whose}: Azure did not answer: {in_short(error.message)}") from None
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{whose} cannot ask Azure: {in_short(error)}") from None
