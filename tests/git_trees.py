"""A commit whose tree names itself over and over."""

from __future__ import annotations

import subprocess
from pathlib import Path


def plumbing(place: Path, *arguments: str, given: str = "") -> str:
    command = ["git", "-C", str(place), *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, check=True
    ).stdout.strip()


def tree_of_paths(place: Path, levels: int) -> str:
    """Make a commit of 10 ** `levels` paths, out of as many objects as it has levels; return its id."""
    plumbing(place, "init", "--quiet", "--bare")
    named = "100644 blob " + plumbing(place, "hash-object", "-w", "--stdin")
    for _ in range(levels):
        rows = "".join(f"{named}\t{digit}\n" for digit in range(10))
        named = "040000 tree " + plumbing(place, "mktree", given=rows)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return plumbing(place, *who, "commit-tree", named.split()[-1], "-m", "bomb")
