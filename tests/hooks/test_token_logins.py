"""Connections that give tokens, from the Connection to the repository that opens by it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk._shared.secrets_masker import redact

from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.guarded_http import guarded_client
from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.protocol import Call
from airfreight.artifacts.oci.protocol import parse_reference
from airfreight.artifacts.tokens.cache import TokenCache
from airfreight.errors import AuthenticationError, NotFoundError, SettingsError
from airfreight.hooks.repository import ConnectionCredentials, RepositoryHook
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.token_connections import Repository
from airfreight.sources.registries import registry_client
from tests.aws import ACCOUNT, moto_server
from tests.git_http import GitHttpServer
from tests.github_app import APP, INSTALLATION, GitHubAppServer
from tests.keys import rsa_key
from tests.registry_server import DebianRegistry
from tests.token_endpoints import Asked, TokenEndpoints

CONNECTION = "airfreight_shop_repository"
PASSWORD = f"{ACCOUNT}-auth-token"  # what moto gives to this account


@dataclass
class Deployment:
    """Sets Connections and settings as an operator does; `hidden` is every token that was to be kept out of logs."""

    set_variable: Callable[[str, str], None]
    hidden: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = TokenCache(self.hidden.append)
        for setting in ("ALLOW_LOOPBACK", "ALLOW_CREDENTIALS_OVER_HTTP"):
            self.set_variable(f"AIRFLOW__AIRFREIGHT__{setting}", "True")

    def connect(self, **fields: Any) -> None:
        self.set_variable(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(fields))

    def hook(self, kind: str, url: str) -> RepositoryHook:
        return RepositoryHook(CONNECTION, Repository(kind, url, "shop"), self.tokens)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return Deployment(monkeypatch.setenv)


@pytest.fixture(scope="module")
def registry() -> Iterator[DebianRegistry]:
    with DebianRegistry(("AWS", PASSWORD)) as running:
        running.push_image("shop/web", "1.0.0", created=datetime(2026, 1, 1, tzinfo=UTC))
        yield running


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto_server() as url:
        yield url


def ecr_connection(deployment: Deployment, registry: DebianRegistry, url: str) -> str:
    """Make an aws Connection for the registry behind ECR; return the image repository."""
    extra = {"region_name": "eu-west-1", "endpoint_url": url, "registry": registry.host}
    deployment.connect(conn_type="aws", login="AKIAEXAMPLE", password="s3cret-key", extra=extra)
    return f"{registry.host}/shop/web"


async def list_tags(image: str, credential: Credential | None) -> list[str]:
    async with registry_client(
        image, credential=credential, allow_credentials_over_http=True
    ) as client:
        return await client.list_tags(parse_reference(image).repository)


async def test_an_aws_connection_opens_a_registry_by_both_doors(
    deployment: Deployment, registry: DebianRegistry, aws: str
) -> None:
    image = ecr_connection(deployment, registry, aws)
    hook = deployment.hook("image", image)
    from_a_task = await asyncio.to_thread(hook.get_conn)
    from_a_trigger = await hook.aget_conn()
    assert from_a_task == from_a_trigger == Credential("AWS", PASSWORD)
    assert await list_tags(image, from_a_trigger) == ["1.0.0"]


def test_the_secret_of_a_project_leads_to_the_token(
    deployment: Deployment, registry: DebianRegistry, aws: str
) -> None:
    image = ecr_connection(deployment, registry, aws)
    secret = RepositoryCredential(
        name="ecr", cred_type="image", connection_id=CONNECTION, repo_url=image
    )
    assert ConnectionCredentials(ConnectionIds("shop"), [secret]).find(
        "image", image
    ) == Credential("AWS", PASSWORD)


async def test_a_missing_repository_is_not_taken_for_a_refused_login(
    deployment: Deployment, registry: DebianRegistry, aws: str
) -> None:
    image = ecr_connection(deployment, registry, aws).replace("web", "nothing")
    with pytest.raises(NotFoundError, match="shop/nothing: there is no such repository"):
        await list_tags(image, await deployment.hook("image", image).aget_conn())


@dataclass
class Ecr:
    """An ECR that gives these passwords, one after the other, and then the last one for ever."""

    passwords: list[str]
    delay: float = 0.0
    fetches: int = 0

    def answer(self, asked: Asked) -> tuple[int, Any]:
        time.sleep(self.delay)
        password = self.passwords[min(self.fetches, len(self.passwords) - 1)]
        self.fetches += 1
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        end = time.time() + 12 * 3600
        return 200, {"authorizationData": [{"authorizationToken": token, "expiresAt": end}]}

    def serve(self) -> TokenEndpoints:
        return TokenEndpoints({"/": self.answer})


async def test_a_token_that_the_registry_refuses_is_fetched_once_more(
    deployment: Deployment, registry: DebianRegistry
) -> None:
    ecr = Ecr(["revoked", PASSWORD])
    with ecr.serve() as fake:
        image = ecr_connection(deployment, registry, fake.url)
        hook = deployment.hook("image", image)
        assert await list_tags(image, await hook.aget_conn()) == ["1.0.0"]
        assert await hook.aget_conn() == Credential("AWS", PASSWORD)
    assert ecr.fetches == 2


async def test_a_second_token_that_is_refused_is_reported(
    deployment: Deployment, registry: DebianRegistry
) -> None:
    ecr = Ecr(["revoked-1", "revoked-2", "revoked-3"])
    with ecr.serve() as fake:
        image = ecr_connection(deployment, registry, fake.url)
        hook = deployment.hook("image", image)
        for _ in range(3):
            with pytest.raises(AuthenticationError, match="refused the login") as caught:
                await list_tags(image, await hook.aget_conn())
            assert "revoked" not in str(caught.value)
        last = await hook.aget_conn()
        assert last is not None
        assert last.renew is not None
        assert await asyncio.to_thread(last.renew) is None
    assert ecr.fetches == 2
    assert deployment.hidden == ["revoked-1", "revoked-2"]


async def test_the_event_loop_goes_on_while_a_token_is_fetched(
    deployment: Deployment, registry: DebianRegistry
) -> None:
    ecr = Ecr([PASSWORD], delay=1.0)
    with ecr.serve() as fake:
        image = ecr_connection(deployment, registry, fake.url)
        hook = deployment.hook("image", image)
        fetching = [asyncio.create_task(hook.aget_conn()) for _ in range(20)]
        turns = 0
        while not all(task.done() for task in fetching):
            await asyncio.sleep(0.01)
            turns += 1
    assert {task.result() for task in fetching} == {Credential("AWS", PASSWORD)}
    assert ecr.fetches == 1
    assert turns > 20


def test_airflow_masks_a_token_wherever_a_task_writes_it(
    deployment: Deployment, registry: DebianRegistry
) -> None:
    with Ecr(["ecr-t0ken-word"]).serve() as fake:
        image = ecr_connection(deployment, registry, fake.url)
        RepositoryHook(CONNECTION, Repository("image", image, "shop")).get_conn()
    assert redact("docker login -p ecr-t0ken-word") == "docker login -p ***"


def test_a_connection_that_gives_tokens_is_no_secret_to_read(deployment: Deployment) -> None:
    deployment.connect(conn_type="aws", login="AKIAEXAMPLE", password="s3cret-key")
    with pytest.raises(SettingsError) as caught:
        RepositoryHook(CONNECTION).get_conn()
    assert str(caught.value) == (
        f"Connection {CONNECTION!r}: its login is a token for repositories, and here is none to open"
    )


def test_without_a_connection_nobody_is_asked_for_a_token() -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert RepositoryHook("", Repository("image", f"{host}/web", "shop")).get_conn() is None


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubAppServer]:
    with GitHttpServer(tmp_path / "remote") as server:
        server.create("acme/gitops", {"a.txt": "one\n"})
        yield GitHubAppServer(server, ("acme/gitops",))


def app_login(deployment: Deployment, github: GitHubAppServer) -> Credential:
    url = github.git.url("acme/gitops")
    host, port = url.split("/")[2].split(":")
    extra = {
        "githubAppClientID": APP,
        "githubAppInstallationID": INSTALLATION,
        "githubAppPrivateKey": base64.b64encode(rsa_key()[0].encode()).decode(),
        "signing_key": "KEY",
    }
    deployment.connect(conn_type="generic", host=host, port=int(port), extra=extra)
    login = deployment.hook("git", url).get_conn()
    assert login is not None
    return login


def git_client(github: GitHubAppServer, login: Credential, place: Path) -> GitClient:
    url = github.git.url("acme/gitops")
    remote = GitRemote(url, login, allow_credentials_over_http=True, allow_loopback=True)
    return GitClient(place, logging.getLogger("tests.tokens"), remote)


def test_a_github_app_opens_its_repository_and_no_token_shows(
    deployment: Deployment,
    github: GitHubAppServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    login = app_login(deployment, github)
    assert (login.username, login.signing_key) == ("x-access-token", "KEY")
    found = git_client(github, login, tmp_path).run("ls-remote", github.git.url("acme/gitops"))
    assert "refs/heads/main" in found
    assert deployment.hidden == ["ghs_s3cret-1"]
    assert "ghs_s3cret" not in caplog.text + repr(login)


def test_git_fetches_another_token_in_place_of_one_that_is_refused(
    deployment: Deployment, github: GitHubAppServer, tmp_path: Path
) -> None:
    client = git_client(github, app_login(deployment, github), tmp_path)
    github.revoke()
    assert "refs/heads/main" in client.run("ls-remote", github.git.url("acme/gitops"))
    github.revoke()
    with pytest.raises(AuthenticationError, match="Authentication failed"):
        client.run("ls-remote", github.git.url("acme/gitops"))
    assert len(github.scopes) == 2


def test_the_api_is_asked_with_another_token_in_place_of_one_that_is_refused(
    deployment: Deployment, github: GitHubAppServer
) -> None:
    service = GitHub(github.git.url("acme/gitops").removesuffix(".git"))
    client = HostingClient(
        service=service,
        http=lambda: guarded_client(allow_loopback=True, timeout=30),
        credential=app_login(deployment, github),
        allow_credentials_over_http=True,
    )

    def look() -> Any:
        answer = yield Call("GET", service.repository)
        return answer.status

    github.revoke()
    assert client.run(look()) == 200
    github.revoke()
    with pytest.raises(AuthenticationError, match="refused the login of user 'x-access-token'"):
        client.run(look())


def test_a_repository_that_the_app_does_not_have_is_not_taken_for_a_refused_login(
    deployment: Deployment, github: GitHubAppServer
) -> None:
    app_login(deployment, github)
    url = github.git.url("acme/secret")
    with pytest.raises(NotFoundError, match="has no repository 'secret'"):
        deployment.hook("git", url).get_conn()
