"""Which version of a DAG bundle an Airflow has, by its public REST API.

Airflow 3.3 shows no bundle there, only DAGs with the version of their bundle at which each was parsed last. It changes
that as soon as the file was parsed again, whether the DAG is another or not. A DAG's own versions (`dagVersions`) do
not tell: those of deleted DAGs stay, and one that was just written keeps its bundle's version for half a minute.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from airfreight.artifacts.documents import MIB, Document, DocumentClient, Egress, egress_client
from airfreight.artifacts.oci.protocol import read_moment
from airfreight.errors import ArtifactError, NotFoundError
from airfreight.model.credential import Credential

_ANSWER_BYTES = 4 * MIB
_TOKEN_BYTES = 2**16
_PAGE_SIZE = 100  # Airflow gives no more at once, unless its maximum_page_limit was changed
_PAGES = 200
_LONGEST_VERSION = 250  # that of Airflow's own column
_LONGEST_LINK = 2000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BundleState:
    """The version at which a DAG was parsed last; `behind` counts DAGs that are still at another, of `dags` in all."""

    version: str
    dags: int
    behind: Mapping[str, int]


@dataclass(frozen=True)
class _Dag:
    version: str
    parsed_at: datetime


@dataclass(frozen=True)
class _Page:
    dags: tuple[_Dag, ...]
    total: int


@asynccontextmanager
async def airflow_client(egress: Egress, url: str) -> AsyncIterator[AirflowClient]:
    """Give a client of the Airflow at `url`, logged in where `egress` has a user; a password without one is a token."""
    async with egress_client(egress) as http:
        client = DocumentClient(http, egress)
        login = egress.credential
        if login and login.username and login.password:
            token = await _token(client, url, login)
            logged_in = replace(login, username="", password=token)
            client = DocumentClient(http, replace(egress, credential=logged_in))
        yield AirflowClient(client, url)


class AirflowClient:
    """Asks the Airflow at `url`; raises ArtifactError or what derives from it."""

    def __init__(self, client: DocumentClient, url: str) -> None:
        self._client = client
        self._url = url

    async def bundle(self, name: str) -> BundleState:
        """Return the version that a bundle has; where all DAGs have the same, two of them are asked for, else all.

        DAGs whose file has import errors do not count: they stay at the version that was parsed last.
        """
        first = await self._dags(name, limit=1)
        if not first.dags:
            raise NotFoundError(
                f"{self._url} shows no DAG of a bundle {name!r}: there is no such bundle, all its files have "
                "import errors, or the login may read none of its DAGs"
            )
        version = first.dags[0].version
        alike = (await self._dags(name, limit=1, version=version)).total if version else 1
        if alike == first.total:
            return self._state(name, first)
        return self._state(name, await self._all(name))

    async def link(self, name: str, version: str) -> str:
        """Return where people see a version of a bundle; empty where Airflow knows no such place."""
        query = {"bundle_name": name, "bundle_version": version, "limit": "1"}
        answer = await self._ask("dags/~/dagVersions", query)
        try:
            links = [one["bundle_url"] for one in answer["dag_versions"]]
        except (KeyError, TypeError):
            raise self._odd() from None
        link = str(links[0] or "") if links else ""
        fits = link.startswith(("https://", "http://")) and len(link) <= _LONGEST_LINK
        return link if fits and link.isprintable() else ""

    def _state(self, name: str, page: _Page) -> BundleState:
        newest = max(page.dags, key=lambda dag: dag.parsed_at).version
        if not newest:
            raise ArtifactError(
                f"bundle {name!r} of {self._url} has no versions, as that of a local folder; "
                "subscribe to what fills it, or use one that has, such as GitDagBundle"
            )
        behind = Counter(dag.version for dag in page.dags if dag.version != newest)
        return BundleState(newest, page.total, behind)

    async def _all(self, name: str) -> _Page:
        found: list[_Dag] = []
        for _ in range(_PAGES):
            page = await self._dags(name, limit=_PAGE_SIZE, offset=len(found))
            found += page.dags
            if found and (not page.dags or len(found) >= page.total):
                return _Page(tuple(found), len(found))
            if not found:
                raise self._odd()
        raise ArtifactError(
            f"bundle {name!r} of {self._url} has more than {_PAGES} pages of DAGs; "
            "it is read once all of them are at one version"
        )

    async def _dags(self, name: str, *, limit: int, offset: int = 0, version: str = "") -> _Page:
        query = {
            "bundle_name": name,
            "exclude_stale": "true",
            "has_import_errors": "false",
            "order_by": "dag_id",
            "limit": str(limit),
            "offset": str(offset),
            **({"bundle_version": version} if version else {}),
        }
        answer = await self._ask("dags", query)
        try:
            dags = tuple(self._read(one, name) for one in answer["dags"])
            return _Page(dags, int(answer["total_entries"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._odd() from None

    def _read(self, entry: Mapping[str, Any], name: str) -> _Dag:
        if entry.get("bundle_name") != name:
            raise ArtifactError(
                f"{self._url} does not know the bundles of DAGs: expected Airflow 3.1 or newer"
            )
        version = str(entry["bundle_version"] or "")
        if len(version) > _LONGEST_VERSION or not version.isprintable():
            raise self._odd()
        return _Dag(version, read_moment(entry.get("last_parsed_time")) or _NEVER)

    async def _ask(self, call: str, query: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self._url}/api/v2/{call}"
        answer = await _json(
            await self._client.get(url, limit=_ANSWER_BYTES, query=urlencode(query))
        )
        if not isinstance(answer, dict):
            raise self._odd()
        return answer

    def _odd(self) -> ArtifactError:
        return ArtifactError(f"{self._url} does not answer as Airflow's REST API v2 does")


async def _token(client: DocumentClient, url: str, login: Credential) -> str:
    """Return the token that an Airflow gives for a login; its REST API takes no password."""
    place = f"{url}/auth/token"
    body = {"username": login.username, "password": login.password}
    try:
        answer = await _json(await client.post_login(place, body, limit=_TOKEN_BYTES))
    except NotFoundError:
        raise ArtifactError(
            f"{place}: not found; where an Airflow gives no tokens for passwords, put a token into the Connection "
            "as its password, without a user name"
        ) from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise ArtifactError(f"{place} gave no token")
    return token


async def _json(document: Document | None) -> Any:
    return await asyncio.to_thread(document.json, _ANSWER_BYTES) if document else None
