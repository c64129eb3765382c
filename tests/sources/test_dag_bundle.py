"""The kind dag-bundle against a server that answers as Airflow 3.3 does; the live tests ask a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airfreight.errors import ArtifactError, AuthenticationError, NotFoundError, TransientError
from airfreight.model.credential import Credential
from airfreight.model.subscription import GenericSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import SourceSettings
from airfreight.sources.custom import SubscriptionRegistry
from airfreight.sources.dag_bundle import DagBundleKind
from airfreight.sources.generic import GenericSource
from tests.document_server import Asked, DocumentServer, Sent
from tests.sources.looks import look

DAGS, VERSIONS, TOKEN = "/api/v2/dags", "/api/v2/dags/~/dagVersions", "/auth/token"
OLD, NEW = "1" * 40, "2" * 40
MAY = datetime(2026, 5, 1, tzinfo=UTC)
BEARER, USER = Credential("", "t0ken"), Credential("robot", "s3cret")


def dag(name: str, version: str | None, day: int, bundle: str = "etl") -> dict[str, Any]:
    """Return what the API tells of a DAG, as far as it concerns bundles."""
    return {
        "dag_id": name,
        "is_stale": False,
        "has_import_errors": False,
        "last_parsed_time": (MAY + timedelta(days=day)).isoformat().replace("+00:00", "Z"),
        "bundle_name": bundle,
        "bundle_version": version,
    }


@dataclass
class Airflow:
    """Tells of `dags`, at most `most` at once; `link` is where its bundles can be seen."""

    server: DocumentServer
    dags: list[dict[str, Any]] = field(default_factory=list)
    link: str | None = "https://git.example.com/etl/tree/{version}"
    most: int = 100

    def __post_init__(self) -> None:
        self.server.answers[DAGS] = self._dags
        self.server.answers[VERSIONS] = self._versions
        self.server.answers[TOKEN] = Sent(json.dumps({"access_token": "j.w.t"}).encode(), 201)

    def source(self) -> GenericSource:
        config = {"airflowURL": f"{self.server.url}/", "bundle": "etl"}
        subscription = GenericSubscription(kind="dag-bundle", config=config)
        kinds = SubscriptionRegistry([DagBundleKind()])
        return GenericSource(subscription, "it", kinds, backoff=Backoff())

    def asked(self) -> list[str]:
        """Return the paths that were asked since the last time."""
        paths = [asked.path.partition("?")[0] for asked in self.server.asked]
        self.server.asked.clear()
        return paths

    def _dags(self, asked: Asked) -> Sent:
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}
        assert (query["exclude_stale"], query["has_import_errors"]) == ("true", "false")
        wanted = {key: query[key] for key in ("bundle_name", "bundle_version") if key in query}
        fits = [one for one in self.dags if wanted.items() <= one.items()]
        begin = int(query["offset"])
        page = fits[begin : begin + min(int(query["limit"]), self.most)]
        return Sent(json.dumps({"dags": page, "total_entries": len(fits)}).encode())

    def _versions(self, asked: Asked) -> Sent:
        query = parse_qs(urlsplit(asked.path).query)
        link = self.link and self.link.format(version=query["bundle_version"][0])
        return Sent(json.dumps({"dag_versions": [{"bundle_url": link}]}).encode())


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with DocumentServer() as server:
        yield Airflow(server)


async def test_a_version_that_all_dags_have_costs_two_requests_once_its_link_is_known(
    airflow: Airflow, tmp_path: Path
) -> None:
    airflow.dags = [dag(f"dag-{number}", NEW, number) for number in range(5)]
    airflow.dags.append(dag("other", OLD, 9, bundle="other"))
    source = airflow.source()
    found = await source.discover(look(tmp_path, BEARER), limit=20, as_of=None)
    (one,) = found.artifacts
    assert one.artifact.model_dump(by_alias=True) == {
        "artifactType": "dag-bundle",
        "subscriptionName": "it",
        "version": NEW,
        "metadata": {
            "name": "etl",
            "digest": NEW,
            "link": f"https://git.example.com/etl/tree/{NEW}",
        },
    }
    assert found.rejected == ()
    assert {asked.headers["authorization"] for asked in airflow.server.asked} == {"Bearer t0ken"}
    assert airflow.asked() == [DAGS, DAGS, VERSIONS]
    assert await source.poll(look(tmp_path, BEARER)) == found.mark == NEW
    assert airflow.asked() == [DAGS, DAGS]


async def test_while_dags_are_parsed_the_last_one_tells_the_version(
    airflow: Airflow, tmp_path: Path
) -> None:
    airflow.dags = [dag(f"dag-{number}", OLD, number) for number in range(5)]
    airflow.dags[2] = dag("dag-2", NEW, 7)
    airflow.dags[0] = dag("dag-0", None, 0)
    airflow.most = 2  # the deployment's own bound of a page
    source = airflow.source()
    found = await source.discover(look(tmp_path), limit=20, as_of=None)
    assert found.mark == await source.poll(look(tmp_path)) == NEW
    assert {one.name: one.rule for one in found.rejected} == {
        OLD: "3 of 5 DAGs were not parsed at a newer one yet",
        "no version": "1 of 5 DAGs were not parsed at a newer one yet",
    }


async def test_a_bundle_of_too_many_pages_is_read_once_its_dags_agree(
    airflow: Airflow, tmp_path: Path
) -> None:
    airflow.dags = [dag(f"dag-{number}", OLD, 1) for number in range(200)]
    airflow.dags.append(dag("last", NEW, 2))
    airflow.most = 1
    with pytest.raises(ArtifactError) as caught:
        await airflow.source().poll(look(tmp_path))
    assert str(caught.value) == (
        f"bundle 'etl' of {airflow.server.url} has more than 200 pages of DAGs; "
        "it is read once all of them are at one version"
    )
    airflow.dags = [dag(one["dag_id"], NEW, 3) for one in airflow.dags]
    assert await airflow.source().poll(look(tmp_path)) == NEW


async def test_a_version_that_is_no_commit_is_no_digest_and_a_bundle_without_a_link_is_the_airflows(
    airflow: Airflow, tmp_path: Path
) -> None:
    airflow.dags, airflow.link = [dag("a", "v1.2", 1)], None
    source = airflow.source()
    found = await source.discover(look(tmp_path), limit=20, as_of=None)
    told = found.artifacts[0].artifact.model_dump()["metadata"]
    assert told == {"name": "etl", "link": airflow.server.url}
    with pytest.raises(ArtifactError, match="does not tell when a bundle got a version"):
        await source.discover(look(tmp_path), limit=20, as_of=MAY)


async def test_a_user_and_password_are_traded_for_a_token(airflow: Airflow, tmp_path: Path) -> None:
    airflow.dags = [dag("a", NEW, 1)]
    await airflow.source().poll(look(tmp_path, USER))
    login, *asked = airflow.server.asked
    assert (login.path, json.loads(login.body)) == (
        TOKEN,
        {"username": "robot", "password": "s3cret"},
    )
    assert "authorization" not in login.headers
    assert {one.headers["authorization"] for one in asked} == {"Bearer j.w.t"}


async def test_a_password_goes_over_plain_http_only_where_the_setting_allows_it(
    airflow: Airflow, tmp_path: Path
) -> None:
    shut = look(tmp_path, USER, SourceSettings(allow_loopback=True))
    with pytest.raises(AuthenticationError, match="use https, or set allow_credentials_over_http"):
        await airflow.source().poll(shut)
    assert airflow.asked() == []


async def test_a_redirect_gets_no_password(airflow: Airflow, tmp_path: Path) -> None:
    with DocumentServer() as thief:
        there = {"Location": f"{thief.url}{TOKEN}"}
        airflow.server.answers[TOKEN] = Sent(status=307, headers=there)
        with pytest.raises(ArtifactError, match=f"{TOKEN} answered HTTP 307"):
            await airflow.source().poll(look(tmp_path, USER))
        assert thief.asked == []


def page(*dags: Any, total: Any = 1) -> Sent:
    return Sent(json.dumps({"dags": dags, "total_entries": total}).encode())


ODD = "{url} does not answer as Airflow's REST API v2 does"
FAULTS: dict[str, tuple[str, Sent, type[ArtifactError], str]] = {
    "no login": (
        DAGS,
        Sent(status=401),
        AuthenticationError,
        "{url}/api/v2/dags refused the login (HTTP 401)",
    ),
    "a login that may not": (
        DAGS,
        Sent(status=403),
        AuthenticationError,
        "{url}/api/v2/dags refused the login (HTTP 403)",
    ),
    "no Airflow 3": (DAGS, Sent(status=404), NotFoundError, "{url}/api/v2/dags: not found"),
    "too busy": (DAGS, Sent(status=503), TransientError, "{url}/api/v2/dags answered HTTP 503"),
    "a page for people": (
        DAGS,
        Sent(b"<!doctype html>"),
        ArtifactError,
        "{url}/api/v2/dags sent no JSON",
    ),
    "half an answer": (DAGS, Sent(b'{"dags": ['), ArtifactError, "{url}/api/v2/dags sent no JSON"),
    "an endless answer": (
        DAGS,
        Sent([b" " * 2**20] * 5),
        ArtifactError,
        "{url}/api/v2/dags sent more than 4194304 bytes",
    ),
    "something else": (DAGS, Sent(b"[]"), ArtifactError, ODD),
    "no list": (DAGS, Sent(b'{"dags": 1, "total_entries": 1}'), ArtifactError, ODD),
    "no count": (DAGS, page(dag("a", NEW, 1), total="many"), ArtifactError, ODD),
    "a DAG that is none": (DAGS, page("a"), ArtifactError, ODD),
    "a version like a novel": (DAGS, page(dag("a", "x" * 251, 1)), ArtifactError, ODD),
    "a version with a line break": (DAGS, page(dag("a", "x\ny", 1)), ArtifactError, ODD),
    "no DAG": (
        DAGS,
        page(total=0),
        NotFoundError,
        "{url} shows no DAG of a bundle 'etl': there is no such bundle, all its files have import errors, "
        "or the login may read none of its DAGs",
    ),
    "a local folder": (
        DAGS,
        page(dag("a", None, 1)),
        ArtifactError,
        "bundle 'etl' of {url} has no versions, as that of a local folder; subscribe to what fills it, "
        "or use one that has, such as GitDagBundle",
    ),
    "an Airflow that does not filter": (
        DAGS,
        page(dag("a", NEW, 1, bundle="other")),
        ArtifactError,
        "{url} does not know the bundles of DAGs: expected Airflow 3.1 or newer",
    ),
    "versions that are none": (VERSIONS, Sent(b'{"dag_versions": [1]}'), ArtifactError, ODD),
    "a wrong password": (
        TOKEN,
        Sent(status=401),
        AuthenticationError,
        "{url}/auth/token refused the login (HTTP 401)",
    ),
    "no tokens for passwords": (
        TOKEN,
        Sent(status=404),
        ArtifactError,
        "{url}/auth/token: not found; where an Airflow gives no tokens for passwords, put a token into the "
        "Connection as its password, without a user name",
    ),
    "no token": (
        TOKEN,
        Sent(b'{"access_token": "a\\nb"}'),
        ArtifactError,
        "{url}/auth/token gave no token",
    ),
}


@pytest.mark.parametrize(("place", "sent", "kind", "message"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_of_an_airflow_has_its_message(
    airflow: Airflow,
    tmp_path: Path,
    place: str,
    sent: Sent,
    kind: type[ArtifactError],
    message: str,
) -> None:
    airflow.dags = [dag("a", NEW, 1)]
    airflow.server.answers[place] = sent
    with pytest.raises(ArtifactError) as caught:
        await airflow.source().poll(look(tmp_path, USER))
    assert type(caught.value) is kind
    assert str(caught.value) == message.format(url=airflow.server.url)


async def test_a_bundle_that_shrinks_while_it_is_read_is_read_to_its_end(
    airflow: Airflow, tmp_path: Path
) -> None:
    told = [
        page(dag("a", OLD, 1), total=3),
        page(dag("a", OLD, 1), total=1),
        page(dag("a", OLD, 1), dag("b", NEW, 2), total=3),
        page(total=2),
    ]
    airflow.server.answers[DAGS] = lambda asked: told.pop(0)
    assert await airflow.source().poll(look(tmp_path)) == NEW
