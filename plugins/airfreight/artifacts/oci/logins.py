"""What opens a registry's repositories: Basic logins, and tokens with their realms.

Where a credential goes: Basic to the registry's own host; for Bearer to the token realm, if that is
reached over https or is the registry's own host and scheme. Over plain http it goes nowhere unless
`allow_over_http` is set, and no realm is asked that way but the registry's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from airfreight.artifacts.oci.protocol import Challenge
from airfreight.errors import ArtifactError, AuthenticationError
from airfreight.model.credential import Credential

Actions = Literal["pull", "pull,push"]
# Asks for the address with the login, or without one, and returns the JSON object of the answer.
AskRealm = Callable[[str, tuple[str, str] | None], Awaitable[dict[str, Any]]]

# A token that does not say how long it lives lives so long by the specification; the last seconds of each are not used.
_TOKEN_SECONDS = 60.0
_MARGIN = 10.0
_LONGEST_SECONDS = 86400.0


@dataclass(frozen=True)
class Login:
    """What opens one repository: the header `Authorization`, until a moment of the monotonic clock."""

    authorization: str
    is_of_credential: bool = True
    ends_at: float = float("inf")

    @property
    def is_token(self) -> bool:
        """Whether a token realm gave it, which accepted the credential or the anonymous visit."""
        return self.authorization.startswith("Bearer ")


class Logins:
    """The logins of one credential at one registry; what one session learned serves those after it."""

    def __init__(
        self,
        host: str,
        base: str,
        credential: Credential | None,
        *,
        allow_over_http: bool = False,
        actions: Actions = "pull",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credential = credential
        self._host = host
        self._base = base
        self._allow_over_http = allow_over_http
        self._actions = actions
        self._clock = clock
        self._known: dict[str, Login] = {}
        self._challenges: dict[str, Challenge] = {}

    async def of(self, repository: str, ask: AskRealm) -> Login | None:
        """Return the login of a repository that was opened before: a token that has ended is fetched anew."""
        known = self._known.get(repository)
        if known is None or self._clock() < known.ends_at:
            return known
        return await self.answer(self._challenges[repository], repository, ask)

    async def answer(self, challenge: Challenge, repository: str, ask: AskRealm) -> Login:
        """Return the login that the registry asks for; raises AuthenticationError where there is none."""
        if challenge.scheme == "bearer":
            login = await self._fetch_token(challenge.parameters, repository, ask)
        elif challenge.scheme == "basic" and self.credential and self._may_receive(self._base):
            login = _basic_login(self.credential)
        else:
            raise AuthenticationError(self._why_none(challenge.scheme))
        self._known[repository], self._challenges[repository] = login, challenge
        return login

    async def renew(self, refused: Credential | None) -> bool:
        """Fetch another token in place of one that was refused; say whether there is one now."""
        if self.credential is not refused:
            return True  # another request was refused first
        renewed = await asyncio.to_thread(refused.renew) if refused and refused.renew else None
        if renewed is not None:
            self.credential = renewed
            self._known.clear()
        return renewed is not None

    def _why_none(self, scheme: str) -> str:
        if scheme != "basic":
            return f"{self._host} asks for an unknown kind of login; Basic and Bearer are known"
        if self.credential is None:
            return f"{self._host} asks for a login; make a Connection for it"
        return (
            f"{self._host} asks for a login over plain http; use https,"
            " or set allow_credentials_over_http"
        )

    async def _fetch_token(
        self, parameters: Mapping[str, str], repository: str, ask: AskRealm
    ) -> Login:
        realm = parameters.get("realm", "")
        where = _place_of(realm)
        if not where:
            raise AuthenticationError(f"{self._host} names a token realm that is no address")
        self._check_plain_http(realm)
        credential = self.credential if self._may_receive(realm) else None
        auth = (credential.username, credential.password) if credential else None
        asked_at = self._clock()
        document = await ask(self._token_url(realm, parameters, repository), auth)
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            raise AuthenticationError(f"{where} sent no token for {self._host}")
        return Login(f"Bearer {token}", auth is not None, asked_at + _lifetime(document))

    def _check_plain_http(self, realm: str) -> None:
        # A stranger's registry could have us ask whatever answers within our network.
        if urlsplit(realm).scheme == "http" and not self._is_own(realm):
            raise AuthenticationError(
                f"{self._host} names a token realm at another place over plain http; it is not asked"
            )

    def _is_own(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self._base)[:2]

    def _token_url(self, realm: str, parameters: Mapping[str, str], repository: str) -> str:
        own = f"repository:{repository}:{self._actions}"
        query: dict[str, str | list[str]] = {
            "scope": list(dict.fromkeys((own, *parameters.get("scope", "").split())))
        }
        if service := parameters.get("service"):
            query["service"] = service
        try:
            return str(httpx.URL(realm).copy_merge_params(query))
        except httpx.InvalidURL:
            raise ArtifactError(f"{self._host} names a token realm that is no address") from None

    def _may_receive(self, url: str) -> bool:
        """Whether the credential may be sent there; the module says by which rule."""
        return urlsplit(url).scheme == "https" or (self._allow_over_http and self._is_own(url))


def _place_of(realm: str) -> str:
    """Return the host of a realm's address, empty where it may not be asked."""
    try:
        origin = urlsplit(realm)
    except ValueError:
        return ""
    is_plain = origin.scheme in ("https", "http") and "@" not in origin.netloc
    return origin.netloc if is_plain else ""


def _basic_login(credential: Credential) -> Login:
    login = httpx.BasicAuth(credential.username, credential.password)
    request = next(login.auth_flow(httpx.Request("GET", "https://registry.invalid")))
    return Login(request.headers["Authorization"])


def _lifetime(document: Mapping[str, Any]) -> float:
    """Return for how many seconds a token is used: a little less than it lives."""
    stated = document.get("expires_in")
    seconds = _TOKEN_SECONDS
    if isinstance(stated, int | float) and stated > 0:
        # JSON has whole numbers that no float holds.
        seconds = float(min(stated, _LONGEST_SECONDS))
    return max(seconds - _MARGIN, seconds / 2)
