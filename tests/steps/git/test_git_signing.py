"""Commits and tags signed with keys of GnuPG and of SSH, checked by the programs themselves."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airfreight.artifacts.git_signing import signing
from airfreight.errors import TerminalStepError
from airfreight.model.credential import Credential
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_signing import SigningKeys
from airfreight.steps.git_tag import GitTagStep
from tests.git_http import GitHttpServer, git
from tests.git_ssh import new_key
from tests.processes import arguments_of_processes
from tests.steps.git.conftest import STARTED, Bench

BenchMaker = Callable[[], Bench]
ROBOT = {"name": "Robot", "email": "robot@example.com"}
NEW_YEAR = "20240101T000000"  # before the Promotion: no key signs what is older than itself


@dataclass(frozen=True)
class Signer:
    """A private key, and the configuration with which git trusts its public half."""

    private: str
    config: tuple[str, ...]

    def mark(self, place: Path, revision: str = "HEAD") -> str:
        """Return git's verdict on a commit: G and U are good signatures, N is none."""
        return git(*self.config, "log", "-1", "--format=%G?", revision, cwd=place)


@contextmanager
def gpg_home() -> Iterator[list[str]]:
    """Give the command gpg with a keyring of its own; its folder is short, as its socket's path has to be."""
    with tempfile.TemporaryDirectory(prefix="g", dir="/tmp") as folder:
        command = ["gpg", "--homedir", folder, "--batch", "--quiet", "--no-tty"]
        try:
            yield command
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["gpg", "ssh"])
def signer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signer]:
    folder = tmp_path_factory.mktemp("keys")
    if request.param == "ssh":
        private = new_key(folder / "key")
        allowed = folder / "allowed"
        allowed.write_text(f"robot@example.com {(folder / 'key.pub').read_text()}")
        yield Signer(private, ("-c", f"gpg.ssh.allowedSignersFile={allowed}"))
        return
    with gpg_home() as gpg:
        user = "Robot <robot@example.com>"
        new = ("--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never")
        run(*gpg, "--faked-system-time", NEW_YEAR, *new)
        private = run(*gpg, "--armor", "--export-secret-keys")
        program = folder / "gpg"
        program.write_text(f'#!/bin/sh\nexec {" ".join(gpg)} "$@"\n')
        program.chmod(0o755)
        yield Signer(private, ("-c", f"gpg.program={program}"))


@dataclass
class Steps:
    """The Git steps as one process has them: git-clone hands its key to the others."""

    bench: Bench
    keys: SigningKeys

    def clone(self, url: str, key: str | None, **checkout: Any) -> None:
        author = ROBOT | ({"signingKey": key} if key else {})
        where = [{"path": "src", **checkout}]
        self.bench.run(GitCloneStep(self.keys), repoURL=url, checkout=where, author=author)

    def commit(self, **config: Any) -> None:
        (self.bench.root / "src/a.txt").write_text("two\n")
        self.bench.run(GitCommitStep(self.keys), path="src", message="Ours", **config)

    def push(self, **config: Any) -> Any:
        step = GitPushStep(self.keys, sleep=lambda _: None)
        return self.bench.run(step, path="src", **config).output

    def policy(self, name: str) -> None:
        self.bench.settings = replace(self.bench.settings, git_push_integration_policy=name)


@pytest.fixture
def steps(bench: Bench, server: GitHttpServer) -> Steps:
    server.create("app", {"a.txt": "one\n", "b.txt": "b\n"})
    return Steps(bench, SigningKeys())


def test_the_key_of_git_clone_signs_what_later_steps_commit_and_tag(
    steps: Steps, server: GitHttpServer, signer: Signer
) -> None:
    steps.clone(server.url("app"), signer.private)
    steps.commit()
    steps.bench.run(GitTagStep(steps.keys), path="src", tag="v1", message="First")
    steps.push()
    steps.push(tag="v1")
    assert signer.mark(server.path("app"), "main") in "GU"
    git(*signer.config, "verify-tag", "v1", cwd=server.path("app"))


def test_the_key_of_git_commit_signs_its_commit(
    steps: Steps, server: GitHttpServer, signer: Signer
) -> None:
    steps.clone(server.url("app"), None)
    steps.commit(author=ROBOT | {"signingKey": signer.private})
    assert signer.mark(steps.bench.root / "src") in "GU"


def test_the_key_of_the_connection_signs_where_no_step_brings_one(
    steps: Steps, server: GitHttpServer, signer: Signer
) -> None:
    url = server.url("app")
    steps.bench.logins.known[url] = Credential("", "", signing_key=signer.private)
    steps.clone(url, None, branch="env/dev", create=True)
    assert signer.mark(server.path("app"), "env/dev") in "GU"
    steps.commit()
    assert signer.mark(steps.bench.root / "src") in "GU"


def test_a_repeated_signed_promotion_makes_the_same_commit_and_tag(
    new_bench: BenchMaker, server: GitHttpServer, signer: Signer
) -> None:
    server.create("app", {"a.txt": "one\n"})
    made = []
    for steps in [Steps(new_bench(), SigningKeys()) for _ in range(2)]:
        steps.clone(server.url("app"), signer.private)
        steps.commit()
        steps.bench.run(GitTagStep(steps.keys), path="src", tag="v1", message="First")
        made.append(git("rev-parse", "HEAD", "v1", cwd=steps.bench.root / "src"))
    assert made[0] == made[1]


def test_a_commit_that_is_rebased_is_signed_again(
    steps: Steps, server: GitHttpServer, signer: Signer
) -> None:
    steps.clone(server.url("app"), signer.private)
    steps.commit()
    server.commit("app", {"b.txt": "theirs\n"}, "Theirs")
    steps.push()
    assert [message for _, message in server.log("app")] == ["Ours", "Theirs", "First"]
    assert signer.mark(server.path("app"), "main") in "GU"


def test_the_key_is_in_no_file_log_or_argument(
    steps: Steps, server: GitHttpServer, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with arguments_of_processes() as seen:
        steps.clone(server.url("app"), signer.private)
        steps.commit()
    secret = signer.private.strip().splitlines()[3]
    files = [place for place in steps.bench.root.rglob("*") if place.is_file()]
    assert [place for place in files if secret.encode() in place.read_bytes()] == []
    assert secret not in caplog.text
    assert not any(secret.encode() in line for line in seen)
    assert any(line.startswith(b"git") for line in seen)


def test_the_folder_of_the_key_is_private_and_gone_afterwards_with_its_agent(
    signer: Signer,
) -> None:
    with signing(signer.private, STARTED) as config:
        written = Path(config.get("gpg.program", config["user.signingKey"]))
        folder = written.parent
        secrets = [*folder.glob("key"), *folder.glob("private-keys-v1.d/*")]
        assert [place.stat().st_mode & 0o777 for place in (folder, *secrets)] == [0o700, 0o600]
    assert not folder.exists()
    with arguments_of_processes() as running:
        run("sleep", "0.3")
    assert not any(os.fsencode(folder) in line for line in running)


def test_a_key_that_was_lost_over_a_wait_ends_the_step_rather_than_the_signature(
    steps: Steps, server: GitHttpServer, signer: Signer
) -> None:
    steps.clone(server.url("app"), signer.private)
    steps.keys = SigningKeys()
    with pytest.raises(TerminalStepError, match="the signingKey of git-clone's author is gone"):
        steps.commit()


def test_a_clone_without_a_key_forgets_that_of_an_earlier_try(
    steps: Steps, server: GitHttpServer, signer: Signer
) -> None:
    steps.clone(server.url("app"), signer.private)
    steps.clone(server.url("app"), None)
    steps.commit()
    assert signer.mark(steps.bench.root / "src") == "N"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("hunter2", "the signing key is no private key", id="no key"),
        pytest.param(
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nhunter2\n-----END PGP PRIVATE KEY BLOCK-----",
            "gpg does not take the signing key",
            id="broken gpg",
        ),
        pytest.param(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----",
            "ssh-keygen does not take the signing key",
            id="broken ssh",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_refused_and_not_quoted(
    steps: Steps, server: GitHttpServer, key: str, message: str
) -> None:
    steps.clone(server.url("app"), key)
    with pytest.raises(TerminalStepError, match=message) as caught:
        steps.commit()
    assert "hunter2" not in str(caught.value)


def test_a_key_with_a_passphrase_is_refused(
    steps: Steps, server: GitHttpServer, tmp_path: Path
) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret phrase", "-f", str(tmp_path / "key"))
    steps.clone(server.url("app"), (tmp_path / "key").read_text())
    with pytest.raises(TerminalStepError, match="a key with a passphrase cannot be used"):
        steps.commit()


@pytest.mark.parametrize(
    ("policy", "ours_signed", "key_configured", "expected"),
    [
        pytest.param("RebaseOrMerge", True, True, "rebased", id="ours, with our key: rebase"),
        pytest.param("RebaseOrMerge", False, False, "rebased", id="unsigned, without: rebase"),
        pytest.param("RebaseOrMerge", False, True, "merged", id="unsigned, with a key: merge"),
        pytest.param("RebaseOrMerge", True, False, "merged", id="signed, without: merge"),
        pytest.param("RebaseOrFail", True, True, "rebased", id="or fail: ours, with our key"),
        pytest.param("RebaseOrFail", True, False, "failed", id="or fail: signed, without"),
        pytest.param("AlwaysRebase", True, False, "rebased", id="always rebase"),
        pytest.param("AlwaysMerge", True, True, "merged", id="always merge"),
    ],
)
def test_others_commits_are_integrated_by_the_policy(
    steps: Steps,
    server: GitHttpServer,
    signer: Signer,
    policy: str,
    ours_signed: bool,
    key_configured: bool,
    expected: str,
) -> None:
    steps.clone(server.url("app"), None)
    steps.commit(author=ROBOT | ({"signingKey": signer.private} if ours_signed else {}))
    server.commit("app", {"b.txt": "theirs\n"}, "Theirs")
    if key_configured:
        login = Credential("", "", signing_key=signer.private)
        steps.bench.logins.known[server.url("app")] = login
    steps.policy(policy)
    if expected == "failed":
        with pytest.raises(TerminalStepError, match="policy RebaseOrFail") as caught:
            steps.push()
        assert caught.value.failed
        return
    steps.push()
    merges = git("rev-list", "--merges", "--count", "main", cwd=server.path("app"))
    assert merges == ("1" if expected == "merged" else "0")
    assert {"Ours", "Theirs"} <= {message for _, message in server.log("app")}
