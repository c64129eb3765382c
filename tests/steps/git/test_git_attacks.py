"""What a hostile repository, server or manifest tries, and what comes of it: nothing."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airfreight.artifacts.git_guard import NetworkGuard
from airfreight.errors import StepError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.steps.base import PromotionStep, StepSettings
from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from tests.git_http import GitHttpServer, git
from tests.steps.git.conftest import PASSWORD, Bench


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/x.git",
        "http://[fd00:ec2::254]/x.git",
        "http://[::ffff:169.254.169.254]/x.git",
        "http://100.100.100.200/x.git",
        "http://2852039166/x.git",
        "http://0xa9fea9fe/x.git",
        "http://127.0.0.1/x.git",
        "http://127.1/x.git",
        "http://localhost/x.git",
        "http://[::1]/x.git",
        "http://0.0.0.0/x.git",
        "ssh://git@169.254.169.254/x.git",
        "ssh://git@localhost/x.git",
        "git@127.0.0.1:x.git",
    ],
)
def test_this_machine_and_metadata_are_refused(bench: Bench, url: str) -> None:
    bench.settings = StepSettings()
    with pytest.raises(TerminalStepError, match="requests there are refused"):
        bench.clone(url)


def test_metadata_stays_closed_where_this_machine_is_open(bench: Bench) -> None:
    with pytest.raises(TerminalStepError, match="a link-local address: requests there are refused"):
        bench.clone("http://169.254.169.254/x.git")


def test_a_redirect_to_metadata_is_refused(bench: Bench, server: GitHttpServer) -> None:
    server.redirects["app"] = "http://169.254.169.254/app.git"
    with pytest.raises(TerminalStepError, match="requests there are refused"):
        bench.clone(server.url("app"))


@pytest.mark.parametrize("scheme", ["file://", "ext::", "ssh://"])
def test_a_redirect_to_another_protocol_is_not_followed(
    bench: Bench, server: GitHttpServer, scheme: str
) -> None:
    server.redirects["app"] = f"{scheme}{server.root}/other.git"
    server.create("other", {"a.txt": "one\n"})
    with pytest.raises(StepError):
        bench.clone(server.url("app"))


def test_no_proxy_of_the_worker_is_no_way_around_the_guard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    bench.settings = StepSettings()
    with pytest.raises(TerminalStepError, match="requests there are refused"):
        bench.clone("http://127.0.0.1/x.git")


@pytest.fixture
def hostile(bench: Bench, server: GitHttpServer, tmp_path: Path) -> Iterator[Path]:
    """A checkout of a repository whose files ask git to start programs; the file that those would make."""
    mark = tmp_path / "ran"
    command = f"touch {mark}"
    server.create(
        "app",
        {
            "a.txt": "one\n",
            ".gitattributes": "* filter=evil diff=evil merge=evil\n*.txt filter=lfs\n",
            ".gitconfig": f"[core]\n\tfsmonitor = {command}\n",
            ".lfsconfig": "[lfs]\n\turl = http://169.254.169.254/\n",
            "hooks/pre-commit": f"#!/bin/sh\n{command}\n",
        },
    )
    bench.clone(server.url("app"))
    yield mark
    assert not mark.exists()


CHANGES: list[Any] = [
    pytest.param(GitClearStep(), {}, id="git-clear"),
    pytest.param(GitCommitStep(), {"message": "Ours"}, id="git-commit"),
    pytest.param(GitPushStep(), {}, id="git-push"),
]


@pytest.mark.parametrize(("step", "config"), CHANGES)
def test_the_files_of_a_repository_start_no_program(
    bench: Bench, hostile: Path, step: PromotionStep[Any], config: dict[str, Any]
) -> None:
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(step, path="src", **config)


@pytest.mark.parametrize(("step", "config"), CHANGES)
@pytest.mark.parametrize(
    "key",
    ["core.fsmonitor", "core.sshCommand", "core.editor", "credential.helper", "gpg.program"],
)
def test_a_clone_whose_config_was_changed_starts_no_program(
    bench: Bench, hostile: Path, step: PromotionStep[Any], config: dict[str, Any], key: str
) -> None:
    (bare,) = (bench.root / ".airfreight").glob("*.git")
    git("config", key, f"!touch {hostile};" if "helper" in key else f"touch {hostile};", cwd=bare)
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(step, path="src", **config)


@pytest.mark.parametrize(
    ("step", "config"),
    [
        pytest.param(GitPushStep(), {"targetBranch": "--force"}, id="option as branch"),
        pytest.param(GitPushStep(), {"targetBranch": "+main"}, id="forced refspec"),
        pytest.param(GitPushStep(), {"targetBranch": "a:refs/heads/b"}, id="refspec"),
        pytest.param(GitPushStep(), {"targetBranch": ":main"}, id="deletion"),
        pytest.param(GitPushStep(), {"tag": "--mirror"}, id="option as tag"),
        pytest.param(GitPushStep(), {"tag": "v1\n"}, id="line break in a tag"),
    ],
)
def test_a_name_that_git_would_read_otherwise_is_refused(
    bench: Bench, server: GitHttpServer, step: PromotionStep[Any], config: dict[str, Any]
) -> None:
    head = server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    with pytest.raises(TerminalStepError, match="is not a name that a"):
        bench.run(step, path="src", **config)
    assert server.log("app") == [(head, "First")]


@pytest.mark.parametrize("path", ["--help", "-b", "--upload-pack=touch x"])
def test_a_path_like_an_option_is_a_path(bench: Bench, server: GitHttpServer, path: str) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"), path=path)
    assert (bench.root / path / "a.txt").read_text() == "one\n"


def test_a_message_like_an_option_is_a_message(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="--amend")
    bench.run(GitPushStep(), path="src")
    assert [message for _, message in server.log("app")] == ["--amend", "First"]


def test_a_link_of_one_checkout_does_not_lead_the_next_one_out(
    bench: Bench, server: GitHttpServer, tmp_path: Path
) -> None:
    bare = server.path("app")
    server.create("app", {"a.txt": "one\n"})
    git("read-tree", "main", cwd=bare)
    target = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=bare,
        input=str(tmp_path).encode(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    git("update-index", "--add", "--cacheinfo", f"120000,{target.strip()},out", cwd=bare)
    made = git("commit-tree", git("write-tree", cwd=bare), "-m", "Link", cwd=bare)
    git("update-ref", "refs/heads/main", made, cwd=bare)
    checkout = [{"path": "src"}, {"path": "src/out/escaped"}]
    with pytest.raises(TerminalStepError, match="leads out"):
        bench.run(GitCloneStep(), repoURL=server.url("app"), checkout=checkout)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("name", ["user\nhost=evil.example", "robot\0"])
def test_a_login_that_would_break_gits_protocol_is_refused(
    bench: Bench, locked: GitHttpServer, name: str
) -> None:
    locked.create("app", {"a.txt": "one\n"})
    bench.logins.known[locked.url("app")] = Credential(name, PASSWORD)
    with pytest.raises(TerminalStepError, match="line break or NUL") as caught:
        bench.clone(locked.url("app"))
    assert PASSWORD not in str(caught.value)


def test_the_guard_ends_with_its_block_and_takes_its_connections_along() -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        port = target.getsockname()[1]
        with NetworkGuard(allow_loopback=True) as guard:
            client = socket.create_connection(("127.0.0.1", guard.port))
            client.sendall(b"\5\1\0" + b"\5\1\0\1" + bytes([127, 0, 0, 1]) + port.to_bytes(2))
            assert client.recv(12, socket.MSG_WAITALL)[:4] == b"\5\0\5\0"
            server, _ = target.accept()
            server.sendall(b"hello")
            assert client.recv(5) == b"hello"
        assert client.recv(1) == b""
        assert server.recv(1) == b""
        client.close()
        server.close()
    assert not [t for t in threading.enumerate() if "_serve" in t.name or "_pump" in t.name]
