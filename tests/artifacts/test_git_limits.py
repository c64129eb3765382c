"""What a git that reads what strangers pushed may cost, and what it may say."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time

import pytest

from airfreight.artifacts.commits import read_log
from airfreight.artifacts.git import GitClient, GitOutcome
from airfreight.artifacts.git_limits import GitLimits
from airfreight.errors import ArtifactError
from tests.git_trees import tree_of_paths

LOG = logging.getLogger(__name__)
MIB = 1 << 20


def test_a_commit_that_names_endless_paths_costs_no_more_memory_than_is_allowed(tmp_path):
    tip = tree_of_paths(tmp_path, levels=6)
    git = GitClient(tmp_path, LOG, bare=True, limits=GitLimits(60, memory=96 * MIB))
    with pytest.raises(ArtifactError) as caught:
        read_log(git, tip, 1, paths=True)
    # And no StaleMirrorError: another fetch would not help.
    assert type(caught.value) is ArtifactError
    assert str(caught.value) == (
        f"git log was ended: it needed more than {96 * MIB} bytes of memory; the setting "
        "max_git_memory may allow more"
    )
    assert [commit.subject for commit in read_log(git, tip, 1, paths=False)] == ["bomb"]


STARTER = """
import sys
from pathlib import Path
from airfreight.artifacts.git_limits import GitLimits, run_limited
run_limited(["sh", "-c", "echo $$ > pid; exec sleep 60"], Path(sys.argv[1]), {}, GitLimits(60))
"""


def test_what_was_started_ends_when_its_starter_is_killed(tmp_path):
    noted = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)]) as starter:
        try:
            deadline = time.monotonic() + 60
            while not (noted.exists() and noted.read_text().strip()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            started = os.pidfd_open(int(noted.read_text()))
        finally:
            starter.kill()
    try:
        ended, _, _ = select.select([started], [], [], 20)
        assert ended
    finally:
        os.close(started)


def test_a_servers_words_stay_in_one_line_of_the_log(tmp_path):
    said = (
        "fatal: remote error: no\n[2026-11-26 12:00:00] INFO - all is well\x1b[2K\r\nbye\u2028!\n"
    )
    error = GitClient(tmp_path, LOG).error("fetch", GitOutcome(128, "", said))
    assert str(error) == (
        "git fetch failed: fatal: remote error: no; [2026-11-26 12:00:00] INFO - all is well [2K; bye; !"
    )
