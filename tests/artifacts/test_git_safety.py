"""What a repository's own configuration cannot make git start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from airfreight.artifacts.git import GitClient
from tests.git_http import git

SIGNED = """\
tree {tree}
parent {parent}
author a <a@example.com> 1 +0000
committer a <a@example.com> 1 +0000
gpgsig -----BEGIN {what} SIGNATURE-----
 AAAA
 -----END {what} SIGNATURE-----

signed
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with commits that look signed, whose tips are the branches `openpgp` and `ssh`."""
    place = tmp_path / "repository"
    place.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=place)
    git("commit", "--quiet", "--allow-empty", "--message=first", cwd=place)
    tree, parent = git("rev-parse", "HEAD^{tree}", "HEAD", cwd=place).split()
    for branch, what in (("openpgp", "PGP"), ("ssh", "SSH")):
        text = SIGNED.format(tree=tree, parent=parent, what=what)
        (tmp_path / "object").write_text(text)
        sha = git("hash-object", "-t", "commit", "-w", str(tmp_path / "object"), cwd=place)
        git("branch", branch, sha, cwd=place)
    return place


STARTED = {
    "a signature that a log shows": (
        {"log.showSignature": "true", "gpg.program": "<program>"},
        ("log", "openpgp"),
    ),
    "a signature that somebody asks for": (
        {"gpg.program": "<program>"},
        ("log", "--format=%G?", "openpgp"),
    ),
    "a signature of SSH": (
        {"gpg.ssh.program": "<program>", "gpg.ssh.allowedSignersFile": "/dev/null"},
        ("log", "--format=%G?", "ssh"),
    ),
    "a merge that wants a signature": (
        {"merge.verifySignatures": "true", "gpg.program": "<program>"},
        ("merge", "--quiet", "openpgp"),
    ),
    "the editor of a rebase": (
        {"sequence.editor": "<program>"},
        ("-c", "user.name=a", "-c", "user.email=a@b", "rebase", "--interactive", "--root"),
    ),
}


@pytest.mark.parametrize(("config", "command"), STARTED.values(), ids=STARTED)
def test_the_configuration_of_a_repository_starts_no_program(
    place: Path, tmp_path: Path, config: dict[str, str], command: tuple[str, ...]
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o700)
    for key, value in config.items():
        git("config", key, value.replace("<program>", str(program)), cwd=place)
    GitClient(place, logging.getLogger(__name__)).attempt(*command)
    assert not (tmp_path / "started").exists()
