from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from demo.gitops import STAGES, seed_repository
from demo.world import World, running_world

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "T",
    "GIT_AUTHOR_EMAIL": "t@example.com",
    "GIT_COMMITTER_NAME": "T",
    "GIT_COMMITTER_EMAIL": "t@example.com",
}


def attempt(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *argv], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )


def git(folder: Path, *argv: str) -> str:
    done = attempt(folder, *argv)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def with_login(world: World, login: str = "airfreight:airfreight") -> str:
    return world.gitops_url.replace("://", f"://{login}@")


def clone(world: World, folder: Path, *options: str) -> Path:
    git(folder.parent, "clone", "-q", *options, with_login(world), str(folder))
    return folder


def commit(checkout: Path, name: str, text: str = "x\n") -> str:
    (checkout / name).write_text(text)
    git(checkout, "add", name)
    git(checkout, "commit", "-q", "-m", f"Add {name}")
    return git(checkout, "rev-parse", "HEAD")


def on_server(world: World, folder: Path) -> str:
    return git(folder, "ls-remote", with_login(world), "refs/heads/main").split()[0]


def test_the_seed_has_one_image_file_for_each_stage_on_main(world: World, tmp_path: Path):
    checkout = clone(world, tmp_path / "c")
    assert git(checkout, "branch", "--show-current") == "main"
    assert (checkout / "README.md").is_file()
    for stage in STAGES:
        text = (checkout / "overlays" / stage / "image.yaml").read_text()
        assert YAML(typ="safe").load(text)["spec"]["image"]["tag"] == "0.0.0"
        assert 'tag: "0.0.0"          # keep this comment' in text


def test_two_seeds_begin_at_the_same_commit_and_a_second_one_changes_nothing(tmp_path: Path):
    heads = [
        (seed_repository(tmp_path / name) / "refs/heads/main").read_text() for name in ("a", "b")
    ]
    assert heads[0] == heads[1]
    (tmp_path / "a/guestbook/gitops.git/refs/heads/main").write_text("f" * 40)
    assert (seed_repository(tmp_path / "a") / "refs/heads/main").read_text() == "f" * 40


def test_a_push_is_seen_by_the_next_clone_and_outlives_the_server(tmp_path: Path):
    with running_world(tmp_path / "w") as world:
        checkout = clone(world, tmp_path / "first")
        pushed = commit(checkout, "new.txt")
        git(checkout, "push", "-q", "origin", "main")
    with running_world(tmp_path / "w") as world:
        assert git(clone(world, tmp_path / "second"), "rev-parse", "HEAD") == pushed


def test_a_shallow_clone_has_one_commit_and_can_push(world: World, tmp_path: Path):
    checkout = clone(world, tmp_path / "deep")
    commit(checkout, "second.txt")
    git(checkout, "push", "-q", "origin", "main")
    shallow = clone(world, tmp_path / "shallow", "--depth", "1", "--branch", "main")
    assert git(shallow, "rev-list", "--count", "HEAD") == "1"
    pushed = commit(shallow, "third.txt")
    git(shallow, "push", "-q", "origin", "HEAD:main")
    assert on_server(world, tmp_path) == pushed
    git(shallow, "fetch", "-q", "--unshallow")
    assert git(shallow, "rev-list", "--count", "HEAD") == "3"


def test_a_bare_clone_serves_a_worktree(world: World, tmp_path: Path):
    bare = clone(world, tmp_path / "bare.git", "--bare")
    git(bare, "worktree", "add", "-q", str(tmp_path / "tree"), "main")
    pushed = commit(tmp_path / "tree", "new.txt")
    git(tmp_path / "tree", "push", "-q", "origin", "HEAD:main")
    assert on_server(world, tmp_path) == pushed


def test_a_fetch_brings_what_another_pushed(world: World, tmp_path: Path):
    one, two = clone(world, tmp_path / "one"), clone(world, tmp_path / "two")
    pushed = commit(one, "new.txt")
    git(one, "push", "-q", "origin", "main")
    git(two, "pull", "-q", "--rebase", "origin", "main")
    assert git(two, "rev-parse", "HEAD") == pushed


def test_a_push_that_comes_too_late_is_told_to_fetch_first(world: World, tmp_path: Path):
    one, two = clone(world, tmp_path / "one"), clone(world, tmp_path / "two")
    first = commit(one, "one.txt")
    git(one, "push", "-q", "origin", "main")
    commit(two, "two.txt")
    refused = attempt(two, "push", "origin", "main")
    assert refused.returncode == 1
    assert "! [rejected]        main -> main (fetch first)" in refused.stderr
    git(two, "fetch", "-q")
    assert "(non-fast-forward)" in attempt(two, "push", "origin", "main").stderr
    assert on_server(world, tmp_path) == first


def test_a_branch_that_moves_during_the_push_refuses_it(world: World, tmp_path: Path):
    one, two = clone(world, tmp_path / "one"), clone(world, tmp_path / "two")
    first = commit(one, "one.txt")
    commit(two, "two.txt")
    # git runs this hook after it has read the server's branches and before it sends: the race itself.
    hook = two / ".git/hooks/pre-push"
    hook.write_text(f"#!/bin/sh\nexec git -C {one} push -q origin main\n")
    hook.chmod(0o755)
    refused = attempt(two, "push", "origin", "main")
    assert refused.returncode == 1
    assert (
        "! [remote rejected] main -> main (cannot lock ref 'refs/heads/main': is at"
        in refused.stderr
    )
    assert on_server(world, tmp_path) == first


def test_of_many_pushes_at_once_exactly_one_wins(world: World, tmp_path: Path):
    checkouts = [clone(world, tmp_path / f"c{number}") for number in range(6)]
    commits = [commit(checkout, f"{checkout.name}.txt") for checkout in checkouts]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda each: attempt(each, "push", "origin", "main"), checkouts))
    winners = [sha for sha, each in zip(commits, done, strict=True) if each.returncode == 0]
    assert winners == [on_server(world, tmp_path)]


def test_a_force_push_and_the_deletion_of_a_branch_are_obeyed(world: World, tmp_path: Path):
    checkout = clone(world, tmp_path / "c")
    git(checkout, "push", "-q", "origin", "main:topic")
    other = commit(checkout, "x.txt")
    git(checkout, "push", "-q", "--force", "origin", "main:topic")
    assert git(checkout, "ls-remote", "origin", "topic").split()[0] == other
    git(checkout, "push", "-q", "origin", ":topic")
    assert git(checkout, "ls-remote", "origin", "topic") == ""


def test_a_push_larger_than_git_s_buffer_arrives(world: World, tmp_path: Path):
    checkout = clone(world, tmp_path / "c")
    (checkout / "big.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    git(checkout, "add", "big.bin")
    git(checkout, "commit", "-q", "-m", "Add a big file")
    git(checkout, "push", "-q", "origin", "main")
    copy = clone(world, tmp_path / "copy")
    assert (copy / "big.bin").read_bytes() == (checkout / "big.bin").read_bytes()


@pytest.mark.parametrize("login", ["", "airfreight:wrong@", "other:airfreight@"])
def test_nobody_reads_without_the_login(world: World, tmp_path: Path, login: str):
    url = world.gitops_url.replace("://", f"://{login}")
    refused = attempt(tmp_path, "clone", "-q", url, "c")
    assert refused.returncode == 128
    assert any(words in refused.stderr for words in ("could not read", "Authentication failed"))


def test_nobody_pushes_without_the_login(world: World):
    answer = httpx.post(f"{world.gitops_url}/git-receive-pack", content=b"0000", trust_env=False)
    assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "Basic")


@pytest.mark.parametrize("repository", ["guestbook/none.git", "%2e%2e/%2e%2e/etc"])
def test_there_is_nothing_but_the_repositories(world: World, repository: str):
    answer = httpx.get(
        f"{world.git_url}/{repository}/info/refs",
        params={"service": "git-upload-pack"},
        auth=("airfreight", "airfreight"),
        trust_env=False,
    )
    assert answer.status_code == 404
