"""The built-in kinds of generic subscriptions, each against a server of its sort."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airfreight.errors import ArtifactError, AuthenticationError, NotFoundError
from airfreight.model.credential import Credential
from airfreight.model.subscription import GenericSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, Found, SourceSettings
from airfreight.sources.custom import subscription_registry
from airfreight.sources.generic import GenericSource
from tests.document_server import Asked, DocumentServer, Sent
from tests.git_http import GitHttpServer
from tests.sources.looks import OPEN, look

MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with DocumentServer() as server:
        yield server


def source(kind: str, **config: Any) -> GenericSource:
    subscription = GenericSubscription(kind=kind, config=config)
    return GenericSource(subscription, "it", subscription_registry(), backoff=Backoff())


async def found(
    kind: str, access: Access, *, as_of: datetime | None = None, **config: Any
) -> Found:
    return await source(kind, **config).discover(access, limit=20, as_of=as_of)


def versions(found: Found) -> list[str]:
    return [told(found, index)["version"] for index in range(len(found.artifacts))]


def told(found: Found, index: int = 0) -> dict[str, Any]:
    return found.artifacts[index].artifact.model_dump(by_alias=True)


def rules(found: Found) -> dict[str, str]:
    return {one.name: one.rule for one in found.rejected}


def sent_json(document: Any) -> Sent:
    return Sent(json.dumps(document).encode())


def package_file(name: str, day: int = 0, **fields: Any) -> dict[str, Any]:
    dated = {"upload-time": f"2026-04-{day:02}T10:00:00.123456Z"} if day else {}
    return {
        "filename": name,
        "url": f"../../files/{name}",
        "hashes": {"sha256": "ab"},
        **dated,
        **fields,
    }


PAGE = {
    "meta": {"api-version": "1.1"},
    "name": "acme-models",
    "files": [
        package_file("acme_models-1.9.0.tar.gz", 1),
        package_file("acme_models-1.10.0-py3-none-any.whl", 3, hashes={"sha256": "cd"}),
        package_file("acme_models-1.10.0.tar.gz", 4),
        package_file("acme_models-1.11.0-py3-none-any.whl", 5, yanked="broken"),
        package_file("acme_models-2.0.0rc1.tar.gz", 6),
        package_file("acme_models-1.9.0-py2.egg", 1),
    ],
}
PYPI = {
    "all": ({}, ["1.10.0", "1.9.0"]),
    "a constraint": ({"constraint": "~=1.9.0"}, ["1.9.0"]),
    "pre-releases": ({"preReleases": True}, ["2.0.0rc1", "1.10.0", "1.9.0"]),
    "a pre-release that the constraint names": ({"constraint": ">=2.0.0rc1"}, ["2.0.0rc1"]),
    "none": ({"constraint": ">3"}, []),
}


@pytest.mark.parametrize(("config", "expected"), PYPI.values(), ids=PYPI)
async def test_the_releases_of_a_package_are_taken_newest_first(
    server: DocumentServer, tmp_path: Path, config: dict[str, Any], expected: list[str]
) -> None:
    server.answers["/simple/acme-models/"] = sent_json(PAGE)
    seen = await found("pypi", look(tmp_path), package="Acme_Models", indexURL=server.url, **config)
    assert versions(seen) == expected
    assert rules(seen)["1.11.0"] == "yanked"
    assert server.asked[0].headers["accept"] == "application/vnd.pypi.simple.v1+json"


async def test_a_release_is_named_dated_and_linked_by_its_sources(
    server: DocumentServer, tmp_path: Path
) -> None:
    server.answers["/simple/acme-models/"] = sent_json(PAGE)
    seen = await found("pypi", look(tmp_path), package="acme-models", indexURL=server.url)
    assert told(seen) == {
        "artifactType": "pypi",
        "subscriptionName": "it",
        "version": "1.10.0",
        "metadata": {
            "name": "acme-models",
            "digest": "sha256:ab",
            "link": f"{server.url}/files/acme_models-1.10.0.tar.gz",
        },
    }
    assert seen.artifacts[0].created_at == datetime(2026, 4, 3, 10, 0, 0, 123456, UTC)
    before = await found(
        "pypi",
        look(tmp_path),
        package="acme-models",
        indexURL=server.url,
        as_of=datetime(2026, 4, 2, tzinfo=UTC),
    )
    assert versions(before) == ["1.9.0"]


async def test_a_page_that_did_not_change_is_not_sent_again(
    server: DocumentServer, tmp_path: Path
) -> None:
    def conditional(asked: Asked) -> Sent:
        if asked.headers.get("if-none-match") == '"1"':
            return Sent(status=304)
        return Sent(json.dumps(PAGE).encode(), headers={"ETag": '"1"'})

    server.answers["/simple/acme-models/"] = conditional
    config = {"package": "acme-models", "indexURL": server.url}
    looks = [await found("pypi", look(tmp_path), **config) for _ in range(2)]
    assert looks[0] == looks[1]
    assert [asked.headers.get("if-none-match") for asked in server.asked] == [None, '"1"']
    server.answers["/simple/acme-models/"] = Sent(status=304)
    with pytest.raises(ArtifactError, match="was never read"):
        await found("pypi", look(tmp_path, LOGIN), **config)


PYPI_FAULTS = {
    "no package": (Sent(status=404), "{page}: not found"),
    "HTML only": (Sent(b"<!DOCTYPE html>"), "{page} sent no JSON"),
    "something else": (
        sent_json({"projects": []}),
        "{page} is no page of a package index: it has no files",
    ),
    "deep": (Sent(b"[" * 200_000), "{page} sent no JSON"),
}


@pytest.mark.parametrize(("sent", "message"), PYPI_FAULTS.values(), ids=PYPI_FAULTS)
async def test_each_fault_of_an_index_has_its_message(
    server: DocumentServer, tmp_path: Path, sent: Sent, message: str
) -> None:
    server.answers["/simple/acme-models/"] = sent
    with pytest.raises(ArtifactError) as caught:
        await found("pypi", look(tmp_path), package="acme-models", indexURL=server.url)
    assert str(caught.value) == message.format(page=f"{server.url}/simple/acme-models/")


async def test_an_index_that_dates_nothing_cannot_be_asked_as_of_a_date(
    server: DocumentServer, tmp_path: Path
) -> None:
    server.answers["/simple/a/"] = sent_json({"files": [package_file("a-1.0.tar.gz")]})
    with pytest.raises(ArtifactError, match=r"does not tell when files were uploaded \(PEP 700\)"):
        await found("pypi", look(tmp_path), package="a", indexURL=server.url, as_of=MAY)


def model_version(number: int, status: str = "READY") -> dict[str, Any]:
    stamp = int((MAY + timedelta(days=number)).timestamp() * 1000)
    return {"name": "churn", "version": str(number), "creation_timestamp": stamp, "status": status}


SEARCH, ALIAS = "/api/2.0/mlflow/model-versions/search", "/api/2.0/mlflow/registered-models/alias"


async def test_the_ready_versions_of_a_model_are_taken_newest_first_over_all_pages(
    server: DocumentServer, tmp_path: Path
) -> None:
    def pages(asked: Asked) -> Sent:
        assert "filter=name%3D%27churn%27" in asked.path
        if "page_token=next" in asked.path:
            return sent_json({"model_versions": [model_version(9), model_version(10)]})
        last = model_version(11, "PENDING_REGISTRATION")
        return sent_json({"model_versions": [last, model_version(8)], "next_page_token": "next"})

    server.answers[SEARCH] = pages
    access = look(tmp_path, Credential("", "t0ken"))
    seen = await found("mlflow-model", access, trackingURL=server.url, model="churn")
    assert versions(seen) == ["10", "9", "8"]
    assert rules(seen) == {"11": "its status is PENDING_REGISTRATION"}
    assert told(seen)["metadata"] == {
        "name": "churn",
        "link": f"{server.url}/#/models/churn/versions/10",
    }
    assert server.asked[0].headers["authorization"] == "Bearer t0ken"
    as_of = MAY + timedelta(days=9)
    before = await found("mlflow-model", access, trackingURL=server.url, model="churn", as_of=as_of)
    assert versions(before) == ["9", "8"]


async def test_an_alias_is_the_version_that_it_points_to(
    server: DocumentServer, tmp_path: Path
) -> None:
    server.answers[ALIAS] = sent_json({"model_version": model_version(7)})
    config = {"trackingURL": f"{server.url}/", "model": "churn", "alias": "champion"}
    one = source("mlflow-model", **config)
    assert await one.poll(look(tmp_path)) == "7"
    assert server.asked[0].path == f"{ALIAS}?name=churn&alias=champion"
    with pytest.raises(ArtifactError, match="MLflow does not tell when an alias was moved"):
        await found("mlflow-model", look(tmp_path), as_of=MAY, **config)


MLFLOW_FAULTS = {
    "no alias": (Sent(status=400), "{server} has no model 'churn' with an alias 'champion'"),
    "no model": (Sent(status=404), "{server} has no model 'churn' with an alias 'champion'"),
    "a login": (
        Sent(status=401),
        "{server}" + ALIAS + " asks for a login (HTTP 401); make a Connection for it",
    ),
    "another server": (Sent(b"[]"), "{server} does not answer as MLflow's REST API 2.0 does"),
    "no version": (
        sent_json({"model_version": {"version": "x"}}),
        "{server} does not answer as MLflow's REST API 2.0 does",
    ),
}


@pytest.mark.parametrize(("sent", "message"), MLFLOW_FAULTS.values(), ids=MLFLOW_FAULTS)
async def test_each_fault_of_a_tracking_server_has_its_message(
    server: DocumentServer, tmp_path: Path, sent: Sent, message: str
) -> None:
    server.answers[ALIAS] = sent
    with pytest.raises(ArtifactError) as caught:
        await source("mlflow-model", trackingURL=server.url, model="churn", alias="champion").poll(
            look(tmp_path)
        )
    assert str(caught.value) == message.format(server=server.url)


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitHttpServer]:
    with GitHttpServer(tmp_path / "git", user="robot", password="s3cret") as git:
        yield git


LOGIN = Credential("robot", "s3cret")
MANIFEST = "name: shop\nversion: 1.10  # a number to YAML\nmodels: {shop: {+materialized: table}}\n"


async def test_a_dbt_project_has_the_version_of_its_manifest(
    git: GitHttpServer, tmp_path: Path
) -> None:
    files = {"analytics/dbt/dbt_project.yml": MANIFEST, "big.csv": "x" * 1000}
    sha = git.create("shop", files)
    config = {"repoURL": git.url("shop"), "path": "analytics/dbt/"}
    access = look(tmp_path, LOGIN)
    seen = await found("dbt-project", access, **config)
    assert (versions(seen), told(seen)["metadata"]) == (["1.10"], {"name": "shop", "digest": sha})
    with pytest.raises(ArtifactError, match="only the branch's head is read"):
        await found("dbt-project", access, as_of=MAY, **config)


async def test_a_commit_that_leaves_the_version_as_it_is_leaves_the_mark(
    git: GitHttpServer, tmp_path: Path
) -> None:
    git.create("shop", {"dbt_project.yml": MANIFEST})
    one, access = (
        source("dbt-project", repoURL=git.url("shop"), branch="main"),
        look(tmp_path, LOGIN),
    )
    marks = [await one.poll(access)]
    git.commit("shop", {"models/a.sql": "select 1"}, "Add a model")
    marks.append(await one.poll(access))
    git.commit("shop", {"dbt_project.yml": MANIFEST.replace("1.10", "1.11")}, "Release")
    marks.append(await one.poll(access))
    assert marks == ["1.10", "1.10", "1.11"]


DBT_FAULTS = {
    "no branch": ({}, {"branch": "gone"}, "{url} has no branch 'gone'"),
    "no manifest": ({}, {"path": "dbt"}, "{url} has no dbt/dbt_project.yml at {sha}"),
    "no version": (
        {"dbt_project.yml": "name: shop\n"},
        {},
        "dbt_project.yml of {url} at {sha} has no version; Freight is told apart by the version",
    ),
    "broken": (
        {"dbt_project.yml": "name: [\n"},
        {},
        "dbt_project.yml of {url} at {sha} is broken YAML",
    ),
    "too long": (
        {"dbt_project.yml": f"name: {'x' * 2**20}\n"},
        {},
        "dbt_project.yml of {url} at {sha} has more than 1048576 bytes",
    ),
    "nested without end": (
        {"dbt_project.yml": "x: " + "[" * 1500 + "]" * 1500},
        {},
        "dbt_project.yml of {url} at {sha} is broken YAML",
    ),
    "a list": (
        {"dbt_project.yml": "- name\n"},
        {},
        "dbt_project.yml of {url} at {sha} has no name; Freight is told apart by the version",
    ),
}


@pytest.mark.parametrize(("files", "config", "message"), DBT_FAULTS.values(), ids=DBT_FAULTS)
async def test_each_fault_of_a_dbt_project_has_its_message(
    git: GitHttpServer, tmp_path: Path, files: dict[str, str], config: dict[str, str], message: str
) -> None:
    sha = git.create("shop", {"readme.md": "shop", **files})
    with pytest.raises(ArtifactError) as caught:
        await source("dbt-project", repoURL=git.url("shop"), **config).poll(look(tmp_path, LOGIN))
    assert str(caught.value) == message.format(url=git.url("shop"), sha=sha[:7])


async def test_a_dbt_project_wants_its_login(git: GitHttpServer, tmp_path: Path) -> None:
    git.create("shop", {"dbt_project.yml": MANIFEST})
    with pytest.raises(AuthenticationError, match="git ls-remote with"):
        await source("dbt-project", repoURL=git.url("shop")).poll(look(tmp_path))


async def test_a_server_that_drips_is_given_up_and_holds_none_of_the_loops_own_threads(
    git: GitHttpServer, tmp_path: Path
) -> None:
    git.create("shop", {"dbt_project.yml": MANIFEST})
    git.drip = 0.2
    one = source("dbt-project", repoURL=git.url("shop"))
    hurried = look(tmp_path, LOGIN, replace(OPEN, git_poll_timeout=1.5))
    looks = asyncio.gather(*(one.poll(hurried) for _ in range(12)), return_exceptions=True)
    await asyncio.sleep(0.5)  # the threads start
    late = 0.0
    while not looks.done():
        started = time.monotonic()
        await asyncio.to_thread(time.sleep, 0.01)
        late = max(late, time.monotonic() - started)
    assert late < 1
    url = git.url("shop")
    message = f"git ls-remote with {url} was ended: it took more than 1.5 s"
    assert {str(error) for error in await looks} == {message}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "models"
    for day, name in enumerate(("churn-1.bin", "churn-2.bin", "notes.txt")):
        place.mkdir(exist_ok=True)
        (place / name).write_text(name)
        stamp = (MAY + timedelta(days=day)).timestamp()
        os.utime(place / name, (stamp, stamp))
    return place


FILES = SourceSettings(allow_loopback=True, allow_file_objects=True)


async def test_the_newest_file_that_meets_the_pattern_comes_first(
    folder: Path, tmp_path: Path
) -> None:
    access = look(tmp_path, settings=FILES)
    config = {"url": f"file://{folder}", "pattern": "glob:*.bin"}
    seen = await found("object", access, **config)
    stamp = (MAY + timedelta(days=1)).timestamp()
    assert versions(seen)[0] == f"churn-2.bin@{stamp:.6f}"
    assert told(seen)["metadata"] == {
        "name": "churn-2.bin",
        "link": f"file://{folder}/churn-2.bin",
    }
    assert rules(seen) == {"notes.txt": "does not meet the pattern 'glob:*.bin'"}
    before = await found("object", access, as_of=MAY, **config)
    assert [told(before)["metadata"]["name"]] == ["churn-1.bin"]


async def test_one_file_changes_its_version_with_its_time(folder: Path, tmp_path: Path) -> None:
    one, access = source("object", url=f"file://{folder}/notes.txt"), look(tmp_path, settings=FILES)
    before = await one.poll(access)
    os.utime(folder / "notes.txt", (1, 1))
    assert (before, await one.poll(access)) == (
        f"{(MAY + timedelta(days=2)).timestamp():.6f}",
        "1.000000",
    )


async def test_files_are_closed_unless_the_setting_opens_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        await found("object", look(tmp_path, settings=OPEN), url=f"file://{folder}")
    assert str(caught.value) == (
        f"file://{folder}: files of this machine are closed; the setting allow_file_objects opens them"
    )


async def test_a_place_without_an_object_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no object"):
        await found("object", look(tmp_path, settings=FILES), url=f"file://{tmp_path}/gone")


async def test_objects_of_google_cloud_storage_have_their_generation_as_version(
    server: DocumentServer, tmp_path: Path
) -> None:
    item = {
        "name": "models/churn.bin",
        "bucket": "data",
        "size": "5",
        "generation": "1700000000000001",
        "etag": "CJ/=",
        "updated": "2026-04-01T10:00:00.000Z",
    }
    server.answers["/storage/v1/b/data/o"] = sent_json({"items": [item]})
    seen = await found(
        "object", look(tmp_path), url="gs://data/models/churn.bin", endpointURL=server.url
    )
    assert versions(seen) == ["1700000000000001"]
    assert told(seen)["metadata"] == {
        "name": "churn.bin",
        "digest": "etag:CJ/=",
        "link": "gs://data/models/churn.bin",
    }
    assert seen.artifacts[0].created_at == datetime(2026, 4, 1, 10, tzinfo=UTC)


async def test_a_login_for_google_cloud_storage_is_a_key_of_a_service_account(
    tmp_path: Path,
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        await found("object", look(tmp_path, LOGIN), url="gs://data/models/churn.bin")
    assert str(caught.value) == (
        "the login for gs://data/models/churn.bin is no key of a service account: "
        "expected its JSON as the password"
    )
