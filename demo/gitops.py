"""The GitOps repository that the guestbook pipeline writes to, as it is before the first promotion."""

from __future__ import annotations

import shutil
from pathlib import Path

from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

REPOSITORY = "guestbook/gitops.git"
BRANCH = Ref(b"refs/heads/main")
STAGES = ("dev", "staging", "prod")

_README = """\
# The guestbook's desired state

One folder per Stage. Nobody edits `spec.image.tag` by hand: Airfreight promotes Freight here, one commit per Stage.
"""

# Comments, a flow mapping and aligned columns: what a promotion must leave as it found it.
_IMAGE = """\
# Which guestbook runs in {stage}.
apiVersion: guestbook.example/v1
kind: Rollout
metadata:
  name: guestbook
  labels: {{app: guestbook, stage: {stage}}}   # read by the dashboards

spec:
  replicas:   {replicas}        # {stage} needs no more
  image:
    repository: guestbook
    # Written by promotions; quoted, since 1.10 is not 1.1.
    tag: "0.0.0"          # keep this comment
    pullPolicy: IfNotPresent
"""


def image_file(stage: str) -> str:
    """The text of ``overlays/<stage>/image.yaml`` before any promotion."""
    return _IMAGE.format(stage=stage, replicas=1 + STAGES.index(stage))


def seed_repository(folder: Path) -> Path:
    """Make the bare repository under the folder, unless it is there already, and return its path."""
    path = folder / REPOSITORY
    if path.exists():
        return path
    scratch = path.with_name(
        f".{path.name}"
    )  # renamed when whole: a start that was killed leaves no half of it
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with Repo.init_bare(scratch) as repository:
        repository.refs.set_symbolic_ref(Ref(b"HEAD"), BRANCH)
        commit = _commit(_first_tree(repository))
        repository.object_store.add_object(commit)
        repository.refs[BRANCH] = commit.id
    return scratch.rename(path)


def _first_tree(repository: Repo) -> ObjectID:
    overlays = {
        stage: _tree(repository, {"image.yaml": _blob(repository, image_file(stage))})
        for stage in STAGES
    }
    root = {"README.md": _blob(repository, _README), "overlays": _tree(repository, overlays)}
    return _tree(repository, root)


def _blob(repository: Repo, text: str) -> ObjectID:
    blob = Blob.from_string(text.encode())
    repository.object_store.add_object(blob)
    return blob.id


def _tree(repository: Repo, entries: dict[str, ObjectID]) -> ObjectID:
    tree = Tree()
    for name, identity in entries.items():
        mode = 0o100644 if "." in name else 0o040000
        tree.add(name.encode(), mode, identity)
    repository.object_store.add_object(tree)
    return tree.id


def _commit(tree: ObjectID) -> Commit:
    """The first commit, with a fixed time, so that every seeded repository begins at the same SHA."""
    commit = Commit()
    commit.tree = tree
    commit.author = commit.committer = b"Guestbook team <guestbook@example.com>"
    commit.author_time = commit.commit_time = 1_767_225_600
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = b"Lay out dev, staging and prod\n"
    return commit
