"""GitHub's API for Apps, as documented, over one Git server of the tests: tokens open one repository each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from tests.git_http import GitHttpServer
from tests.keys import rsa_key

APP, INSTALLATION = "Iv23liExample", "4242"


@dataclass
class GitHubAppServer:
    """Knows one App with one installation, on `repositories` (``owner/name``).

    The newest token is what the Git server takes. `unknown_for` is how many requests a new token stays unknown;
    `asked` is every request's line, `scopes` what each token was asked for.
    """

    git: GitHttpServer
    repositories: tuple[str, ...]
    unknown_for: int = 0
    status: int = 0
    asked: list[str] = field(default_factory=list)
    scopes: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.git.api = self.answer
        self.git.user = "x-access-token"

    def revoke(self) -> None:
        """Let the present token count no more."""
        self.git.password = "revoked"

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        path = target.removeprefix("/api/v3")
        self.asked.append(f"{method} {path}")
        if self.status:
            return self.status, {"message": "sorry"}
        if found := re.fullmatch(r"/app/installations/(\w+)/access_tokens", path):
            return self._grant(found[1], headers.get("Authorization", ""), json.loads(body))
        if headers.get("Authorization", "") != f"Bearer {self.git.password}":
            return 401, {"message": "Bad credentials"}
        if self.unknown_for > 0:
            self.unknown_for -= 1
            return 401, {"message": "Bad credentials"}
        return (200, {}) if path.removeprefix("/repos/") in self.repositories else (404, {})

    def _grant(
        self, installation: str, authorization: str, wanted: Mapping[str, Any]
    ) -> tuple[int, Any]:
        try:
            claims = jwt.decode(
                authorization.removeprefix("Bearer "), rsa_key()[1], ["RS256"], issuer=APP
            )
            assert claims["exp"] - claims["iat"] <= 600
        except jwt.PyJWTError:
            return 401, {"message": "A JSON web token could not be decoded"}
        if installation != INSTALLATION:
            return 404, {"message": "Not Found"}
        names = {one.split("/")[1] for one in self.repositories}
        self.scopes.append(wanted["repositories"])
        if not set(wanted["repositories"]) <= names:
            return 422, {"message": "There is at least one repository that does not exist"}
        self.git.password = f"ghs_s3cret-{len(self.scopes)}"
        end = datetime.now(UTC) + timedelta(hours=1)
        granted = {"token": self.git.password, "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return 201, granted
