"""The Git steps over https, where a private authority signed the server's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airfreight.errors import StepError
from airfreight.model.credential import Credential
from airfreight.steps.base import StepSettings
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from tests.certificates import private_authority
from tests.git_http import GitHttpServer
from tests.steps.git.conftest import PASSWORD, Bench


@dataclass
class Https:
    """A server with a login, and the certificate of its authority."""

    server: GitHttpServer
    authority: str

    @property
    def url(self) -> str:
        return self.server.url("app")


@pytest.fixture
def https(tmp_path: Path) -> Iterator[Https]:
    authority, context = private_authority(tmp_path)
    with GitHttpServer(tmp_path / "tls", "robot", PASSWORD, context) as running:
        running.create("app", {"a.txt": "one\n"})
        yield Https(running, authority)


@pytest.fixture
def strict(bench: Bench) -> Bench:
    """A bench as a deployment has it, but for the servers of the test being on this machine."""
    bench.settings = StepSettings(allow_loopback=True)
    return bench


def promote(bench: Bench, url: str, **clone: Any) -> Any:
    checkout = [{"path": "src"}]
    bench.run(GitCloneStep(), repoURL=url, checkout=checkout, **clone)
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    return bench.run(GitPushStep(), path="src").output


def test_the_authority_of_the_connection_is_trusted(strict: Bench, https: Https) -> None:
    login = Credential("robot", PASSWORD, ca_certificate=https.authority)
    strict.logins.known[https.url] = login
    pushed = promote(strict, https.url)
    assert https.server.log("app")[0] == (pushed["commit"], "Ours")


def test_an_unknown_authority_is_refused_before_the_login_is_sent(
    strict: Bench, https: Https
) -> None:
    strict.logins.known[https.url] = Credential("robot", PASSWORD)
    with pytest.raises(StepError, match="put the authority's own into `ca_certificate`"):
        promote(strict, https.url)
    assert https.server.authorizations == []


def test_another_authority_than_that_of_the_connection_is_refused(
    strict: Bench, https: Https, tmp_path: Path
) -> None:
    stranger, _ = private_authority(tmp_path)
    strict.logins.known[https.url] = Credential("robot", PASSWORD, ca_certificate=stranger)
    with pytest.raises(StepError, match="certificate"):
        promote(strict, https.url)
    assert https.server.authorizations == []


def test_verification_that_git_clone_turned_off_stays_off_for_the_push(
    strict: Bench, https: Https
) -> None:
    strict.logins.known[https.url] = Credential("robot", PASSWORD)
    pushed = promote(strict, https.url, insecureSkipTLSVerify=True)
    assert https.server.log("app")[0] == (pushed["commit"], "Ours")
