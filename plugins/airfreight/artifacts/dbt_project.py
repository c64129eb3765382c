"""The manifest of a dbt project in a Git repository, fetched without the rest of the repository."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from airfreight.artifacts.git import DebugLog, GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_limits import GitLimits
from airfreight.artifacts.yaml_depth import compose
from airfreight.errors import ArtifactError, NotFoundError

MANIFEST = "dbt_project.yml"
_MANIFEST_BYTES = 2**20


@dataclass(frozen=True)
class DbtProject:
    """What the manifest says of itself, as it is written there."""

    name: str
    version: str


def head_of(remote: GitRemote, branch: str, log: DebugLog, limits: GitLimits) -> str:
    """Return the SHA of a branch's head, of the default branch where none is named. Blocks."""
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    git = GitClient(Path("/"), log, remote, limits=limits)
    listed = git.run("ls-remote", "--", remote.url, ref)
    for line in listed.splitlines():
        sha, _, name = line.partition("\t")
        if name == ref:
            return sha
    raise NotFoundError(
        f"{remote.url} has no branch {branch!r}" if branch else f"{remote.url} is empty"
    )


def read_project(
    remote: GitRemote, sha: str, path: str, log: DebugLog, limits: GitLimits
) -> DbtProject:
    """Return the project in the folder `path` at a commit: no history, and no file but its manifest. Blocks."""
    file = f"{path}/{MANIFEST}".lstrip("/")
    where = f"{file} of {remote.url} at {sha[:7]}"
    with tempfile.TemporaryDirectory(prefix="airfreight-dbt-") as folder:
        config = _partial(remote.url)
        git = GitClient(Path(folder), log, remote, bare=True, config=config, limits=limits)
        git.run("init", "--quiet", "--bare", folder)
        git.run("fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "origin", sha)
        if not git.run("ls-tree", sha, "--", file):
            raise NotFoundError(f"{remote.url} has no {file} at {sha[:7]}")
        if int(git.run("cat-file", "-s", f"{sha}:{file}")) > _MANIFEST_BYTES:
            raise ArtifactError(f"{where} has more than {_MANIFEST_BYTES} bytes")
        text = git.run("cat-file", "blob", f"{sha}:{file}")
    return _read(text, where)


def _partial(url: str) -> dict[str, str]:
    """Return the configuration by which a blob that is missing is fetched when it is read."""
    return {
        "remote.origin.url": url,
        "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none",
        "extensions.partialClone": "origin",
    }


def _read(text: str, where: str) -> DbtProject:
    try:
        root = compose(text)
    except yaml.YAMLError:
        raise ArtifactError(f"{where} is broken YAML") from None
    # As it is written: 1.10 would be read as the number 1.1.
    found = {
        key.value: value.value
        for key, value in (root.value if isinstance(root, yaml.MappingNode) else ())
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }
    for field in ("name", "version"):
        if not found.get(field):
            raise ArtifactError(f"{where} has no {field}; Freight is told apart by the version")
    return DbtProject(found["name"], found["version"])
