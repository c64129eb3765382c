"""Google's Artifact Registry and Container Registry: an OAuth token of an hour is the password (google-auth)."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from airfreight.artifacts.tokens.token import Token, in_short, needs
from airfreight.errors import AuthenticationError, SettingsError, TransientError

_HOST = re.compile(r"(?:(?:us|eu|asia)\.)?gcr\.io|[a-z]+(?:-[a-z]+\d+)?-docker\.pkg\.dev")
_USERNAME = "oauth2accesstoken"
# Reading and pushing: Google's roles decide which. The registries know no narrower scope for both.
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT = 10.0  # seconds for one answer
_LIFETIME = 3600.0  # seconds, where Google says no end


def is_google(host: str) -> bool:
    """Say whether a registry's host is Google's."""
    return _HOST.fullmatch(host) is not None


@dataclass(frozen=True)
class GoogleTokens:
    """Tokens for all registries that an identity may read.

    `key` is the JSON of a service account's key, or of a federated identity; `key_file` names a file with it. Without
    either it is whom google-auth finds: Workload Identity, the machine's account. `impersonate` are the delegates, and
    last the account to act as. With `project` that is ``kargo-project-<project>`` of the same Google project where it
    may be, as in Kargo.
    """

    whose: str
    key: str = field(default="", repr=False)
    key_file: str = ""
    impersonate: tuple[str, ...] = ()
    project: str = ""

    def fetch(self) -> Token:
        """Ask for a new token; blocks."""
        with needs("google-auth[requests]", self.whose):
            import google.auth.transport.requests
            import requests
        with requests.Session() as session, _google_errors(self.whose):
            asking = _Patient(google.auth.transport.requests.Request(session))
            key = Path(self.key_file).read_text() if self.key_file else self.key
            found, home = _identity(key)
            if self.impersonate:
                *delegates, target = self.impersonate
                return _token_of(_acting_as(found, target, delegates), asking)
            if self.project and home:
                return project_token(found, f"kargo-project-{self.project}", home, asking)
            return _token_of(found, asking)


def project_token(found: Any, account: str, home: str, asking: Any) -> Token:
    """Return a token of `account` in the Google project `home`, or of `found` where it may not act as that.

    `found` are credentials of google-auth, and `asking` is its way to ask over HTTP.
    """
    from google.auth.exceptions import RefreshError

    try:
        acting = _acting_as(found, f"{account}@{home}.iam.gserviceaccount.com", [])
        return _token_of(acting, asking)
    except RefreshError as error:
        if error.retryable:
            raise
        return _token_of(found, asking)


class _Patient:
    """google-auth's way to ask over HTTP, with an end to its patience: it waits for two minutes by default."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._request(*arguments, **{**named, "timeout": _TIMEOUT})


def _identity(key: str) -> tuple[Any, str]:
    """Return credentials of google-auth and the Google project they are at home in, or empty."""
    import google.auth

    if not key:
        found, home = google.auth.default(scopes=[_SCOPE])
        return found, home or ""
    return _keyed(json.loads(key)), ""


def _keyed(info: Any) -> Any:
    """Return the credentials of a key; google-auth's own way would ask for the name of its project besides."""
    import google.auth
    from google.auth import aws, identity_pool
    from google.oauth2 import service_account

    kind, source = info.get("type"), info.get("credential_source") or {}
    if kind == "service_account":
        return service_account.Credentials.from_service_account_info(info, scopes=[_SCOPE])
    if kind == "external_account" and "executable" not in source:
        is_aws = str(source.get("environment_id", "")).startswith("aws")
        of_cloud = aws.Credentials if is_aws else identity_pool.Credentials
        return of_cloud.from_info(info, scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        # It warns of keys from strangers: this one is an operator's, out of a Connection.
        warnings.simplefilter("ignore", DeprecationWarning)
        return google.auth.load_credentials_from_dict(info, scopes=[_SCOPE])[0]


def _acting_as(source: Any, target: str, delegates: list[str]) -> Any:
    from google.auth import impersonated_credentials

    return impersonated_credentials.Credentials(
        source, target, target_scopes=[_SCOPE], delegates=delegates
    )


def _token_of(credentials: Any, asking: Any) -> Token:
    credentials.refresh(asking)
    # google-auth's moments are in UTC and do not say so.
    end = credentials.expiry.replace(tzinfo=UTC).timestamp() if credentials.expiry else None
    return Token(_USERNAME, credentials.token, end or time.time() + _LIFETIME)


@contextmanager
def _google_errors(whose: str) -> Iterator[None]:
    import google.auth.exceptions as google

    try:
        yield
    except google.DefaultCredentialsError as error:
        raise SettingsError(f"{whose} finds no Google identity: {in_short(error)}") from None
    except google.RefreshError as error:
        said = in_short(error.args[0] if error.args else "")
        if error.retryable:
            raise TransientError(f"{whose}: Google has trouble: {said}") from None
        raise AuthenticationError(f"Google refused {whose}: {said}") from None
    except google.TransportError as error:
        raise TransientError(f"{whose}: Google did not answer: {in_short(error)}") from None
    except OSError as error:
        raise SettingsError(f"{whose}: its key cannot be read: {in_short(error)}") from None
    except (google.GoogleAuthError, ValueError, KeyError, AttributeError) as error:
        raise SettingsError(
            f"{whose} has a key that google-auth cannot read ({type(error).__name__}): expected the JSON "
            "of a service account's key or of a federated identity"
        ) from None
