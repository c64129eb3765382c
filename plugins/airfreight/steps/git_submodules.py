"""Submodules: each is a repository of its own, with its own rules, login and way out."""

from __future__ import annotations

from dataclasses import replace

from airfreight.artifacts.git import GitClient
from airfreight.steps.base import StepContext
from airfreight.steps.git_worktree import remote_of


def check_out_submodules(git: GitClient, context: StepContext, *, verify_tls: bool) -> None:
    """Clone the submodules of a checkout and theirs; raises TerminalStepError for a URL that `repoURL` could not be."""
    listed = git.place / ".gitmodules"
    if listed.is_symlink() or not listed.is_file():
        return
    git.run("submodule", "--quiet", "init")
    git.run(
        "submodule", "--quiet", "sync"
    )  # another checkout of this clone may have had other URLs
    for name, path in _paths(git).items():
        url = git.attempt("config", "--get", f"submodule.{name}.url").stdout
        if not url:
            continue
        remote = remote_of(context, url, verify_tls=verify_tls)
        replace(git, remote=remote).run(
            *("submodule", "--quiet", "update", "--checkout", "--", path),
            environment={"GIT_LITERAL_PATHSPECS": "1"},
        )
        inner = GitClient(git.place / path, git.log, remote)
        check_out_submodules(inner, context, verify_tls=verify_tls)


def _paths(git: GitClient) -> dict[str, str]:
    """Return the path of each submodule by its name."""
    found = git.attempt("config", "--null", "--file", ".gitmodules", "--get-regexp", r"\.path$")
    pairs = (entry.partition("\n") for entry in found.stdout.split("\0") if entry)
    return {
        key.removeprefix("submodule.").removesuffix(".path"): path
        for key, _, path in pairs
        if key.startswith("submodule.")
    }
