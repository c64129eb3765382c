"""A GitHub App: its key signs for an installation's token of an hour that opens one repository."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.protocol import Call, Exchange, Pause, segment
from airfreight.artifacts.tokens.token import Token
from airfreight.errors import AuthenticationError, NotFoundError, SettingsError
from airfreight.model.credential import Credential

_USERNAME = "x-access-token"
_TIMEOUT = 30.0  # seconds for one answer
_SIGNED_FOR = 9 * 60  # seconds; GitHub takes ten minutes at the most
_CLOCK_SKEW = (
    60  # seconds that this machine's clock may be ahead of GitHub's, by GitHub's own advice
)
# Seconds (`kargo.md` §5.2): a new token may be unknown for a while where GitHub has not spread it yet.
_WAITS = (3.0, 10.0, 30.0)


@dataclass(frozen=True)
class GitHubAppTokens:
    """Tokens for the one repository with this `web_address`; `app` is the App's client id or its id.

    `private_key` is in PEM. The App signs for nobody but the host of `web_address`, which the caller has to trust.
    """

    whose: str
    app: str
    installation: str
    private_key: str = field(repr=False)
    web_address: str
    allow_loopback: bool = False
    allow_credentials_over_http: bool = False
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)

    def fetch(self) -> Token:
        """Ask for a new token, and wait until GitHub knows it; blocks."""
        signed = sign(self.app, self.private_key, time.time(), self.whose)
        token = self._as(self.app, signed).run(
            installation_token(self.installation, self.web_address)
        )
        self._as(token.username, token.password).run(known_token(self.web_address))
        return token

    def _as(self, username: str, password: str) -> HostingClient:
        return HostingClient(
            service=GitHub(self.web_address),
            http=partial(guarded_client, allow_loopback=self.allow_loopback, timeout=_TIMEOUT),
            credential=Credential(username, password),
            allow_credentials_over_http=self.allow_credentials_over_http,
            sleep=self.sleep,
        )


def sign(app: str, private_key: str, now: float, whose: str) -> str:
    """Return the JSON Web Token that says who the App is."""
    import jwt

    claims = {"iat": int(now) - _CLOCK_SKEW, "exp": int(now) + _SIGNED_FOR, "iss": app}
    try:
        return jwt.encode(claims, private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise SettingsError(
            f"{whose}: the private key of the GitHub App is none: expected RSA in PEM, as GitHub "
            "gives it, or that in base64"
        ) from None


def read_private_key(text: str) -> str:
    """Return the key in PEM, whether it was given so or in base64."""
    if "-----BEGIN" in text:
        return text.strip()
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode().strip()
    except (binascii.Error, ValueError):
        return text


def installation_token(installation: str, web_address: str) -> Exchange[Token]:
    """Ask for a token that opens this repository and no other of the installation."""
    name = urlsplit(web_address).path.strip("/").split("/")[-1]
    answer = yield Call(
        "POST",
        f"/app/installations/{segment(installation)}/access_tokens",
        body={"repositories": [name]},
        reads=frozenset({404, 422}),
    )
    if answer.status == 404:
        raise AuthenticationError(
            f"{_host(web_address)} knows no installation {installation} of this GitHub App"
        )
    if answer.status == 422:
        raise NotFoundError(
            f"installation {installation} of the GitHub App has no repository {name!r}: it does not exist, "
            f"or nobody gave it to the App ({web_address})"
        )
    end = datetime.fromisoformat(answer.body["expires_at"])
    return Token(_USERNAME, answer.body["token"], end.timestamp())


def known_token(web_address: str) -> Exchange[None]:
    """Wait until GitHub knows the token that asks."""
    place = GitHub(web_address).repository
    for wait in (*_WAITS, None):
        answer = yield Call("GET", place, reads=frozenset({401, 403, 404}))
        if answer.status != 401:
            return
        if wait is not None:
            yield Pause(wait)
    raise AuthenticationError(
        f"{_host(web_address)} does not take the token that it has just given"
    )


def may_open(name: str, allowed: Iterable[str]) -> bool:
    """Say whether a repository is among those listed, in any case, as GitHub compares names."""
    return name.lower() in {one.lower() for one in allowed}


def _host(web_address: str) -> str:
    return f"github at {urlsplit(web_address).netloc}"
