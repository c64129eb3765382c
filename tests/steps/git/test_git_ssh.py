"""The Git steps against Debian's sshd: a key opens it, and only the host key that was pinned is trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airfreight.artifacts.git_access import GitRemote, git_access
from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.steps.base import StepSettings
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from tests.git_http import GitHttpServer
from tests.git_ssh import GitSshServer, new_key
from tests.processes import arguments_of_processes
from tests.steps.git.conftest import Bench


@pytest.fixture
def ssh(tmp_path: Path, server: GitHttpServer) -> Iterator[GitSshServer]:
    server.create("app", {"a.txt": "one\n"})
    with GitSshServer(tmp_path / "sshd", server.root) as running:
        yield running


def let_in(bench: Bench, ssh: GitSshServer, **changes: str) -> None:
    """Give the project the key of the server, with `changes`."""
    given = {"ssh_private_key": ssh.private_key, "known_hosts": ssh.known_hosts, **changes}
    bench.logins.known[ssh.url("app")] = Credential("", "", **given)


def promote(bench: Bench, ssh: GitSshServer) -> Any:
    bench.clone(ssh.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    return bench.run(GitPushStep(), path="src").output


def test_a_key_opens_the_repository_and_is_written_nowhere(
    bench: Bench, ssh: GitSshServer, server: GitHttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    let_in(bench, ssh)
    with arguments_of_processes() as seen:
        pushed = promote(bench, ssh)
    assert server.log("app")[0] == (pushed["commit"], "Ours")
    secret = ssh.private_key.splitlines()[2]
    files = [place for place in bench.root.rglob("*") if place.is_file()]
    assert [place for place in files if secret.encode() in place.read_bytes()] == []
    assert secret not in caplog.text
    assert any(line.startswith(b"git") for line in seen)
    assert not any(secret.encode() in line for line in seen)


def test_the_file_of_the_key_is_private_and_gone_afterwards(ssh: GitSshServer) -> None:
    login = Credential("", "", ssh_private_key=ssh.private_key, known_hosts=ssh.known_hosts)
    with git_access(GitRemote(ssh.url("app"), login)) as access:
        (named,) = re.findall("IdentityFile=(/[^ ]+)", access.environment["GIT_SSH_COMMAND"])
        key = Path(named)
        assert key.read_text().strip() == ssh.private_key.strip()
        assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not key.parent.exists()


@pytest.mark.parametrize("known", ["", "other.example.com ssh-ed25519 AAAA"], ids=["none", "other"])
def test_a_host_whose_key_is_not_pinned_is_refused_with_what_to_add(
    bench: Bench, ssh: GitSshServer, known: str
) -> None:
    let_in(bench, ssh, known_hosts=known)
    with pytest.raises(TerminalStepError, match="Host key verification failed") as caught:
        promote(bench, ssh)
    assert "put the line into `known_hosts` of the Connection's extra" in str(caught.value)


def test_a_host_whose_key_changed_is_refused(
    bench: Bench, ssh: GitSshServer, tmp_path: Path
) -> None:
    new_key(tmp_path / "stranger")
    stranger = (tmp_path / "stranger.pub").read_text().strip()
    let_in(bench, ssh, known_hosts=f"[127.0.0.1]:{ssh.port} {stranger}")
    with pytest.raises(TerminalStepError, match="Host key verification failed"):
        promote(bench, ssh)


def test_a_key_that_is_not_let_in_is_terminal(
    bench: Bench, ssh: GitSshServer, tmp_path: Path
) -> None:
    let_in(bench, ssh, ssh_private_key=new_key(tmp_path / "stranger"))
    with pytest.raises(TerminalStepError, match="Permission denied"):
        promote(bench, ssh)


def test_without_a_connection_no_key_of_the_worker_is_offered(
    bench: Bench, ssh: GitSshServer
) -> None:
    let_in(bench, ssh, ssh_private_key="")
    with pytest.raises(TerminalStepError, match="Permission denied"):
        promote(bench, ssh)


def test_this_machine_is_closed_to_ssh_without_the_setting(bench: Bench, ssh: GitSshServer) -> None:
    let_in(bench, ssh)
    bench.settings = StepSettings()
    with pytest.raises(TerminalStepError, match=r"loopback address .*requests there are refused"):
        promote(bench, ssh)


def test_a_dead_ssh_server_is_worth_another_try(bench: Bench, server: GitHttpServer) -> None:
    with pytest.raises(RetryableStepError, match=r"Failed to connect to 127\.0\.0\.1 port 9"):
        bench.clone("ssh://git@127.0.0.1:9/app.git")
