from __future__ import annotations

import logging
from pathlib import Path

import pytest

from airfreight.artifacts.commits import read_commits, read_log
from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_limits import GitLimits, LongOutputError
from tests.git_http import git

COUNT = 8


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository of commits that each change a hundred paths; their log has some 1,500 bytes each."""
    place = tmp_path / "repository"
    place.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=place)
    for number in range(COUNT):
        for file in range(100):
            (place / f"file-{file:03}").write_text(f"{number}")
        git("add", "--all", cwd=place)
        git("commit", "--quiet", f"--message={number}", cwd=place)
    return place


def limited(place: Path, output: int) -> GitClient:
    limits = GitLimits(seconds=60, output=output)
    return GitClient(place, logging.getLogger(__name__), limits=limits)


def test_commits_that_change_too_many_paths_are_read_fewer_at_a_time(place: Path) -> None:
    client = limited(place, 4000)
    ids = git("rev-list", "HEAD", cwd=place).split()
    read = read_log(client, ids[0], COUNT, paths=True)
    assert [(one.id, len(one.changed)) for one in read] == [(sha, 100) for sha in ids[:2]]
    commits = read_commits(client, ids, paths=True)
    assert [(sha, len(one.changed)) for sha, one in commits.items()] == [(sha, 100) for sha in ids]


def test_one_commit_that_changes_too_many_paths_is_told(place: Path) -> None:
    client = limited(place, 500)
    (sha,) = git("rev-list", "--max-count=1", "HEAD", cwd=place).split()
    for read in (
        lambda: read_log(client, sha, COUNT, paths=True),
        lambda: read_commits(client, [sha], paths=True),
    ):
        with pytest.raises(LongOutputError, match="printed more than 500 bytes"):
            read()
