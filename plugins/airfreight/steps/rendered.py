"""What helm and kustomize rendered: its documents, the resources that they are, the files that they go to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from airfreight.artifacts.yaml_depth import compose
from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import StepContext

_SEPARATOR = re.compile(r"^---[ \t]*(?:#.*)?\r?$\n?", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^ \t\r\n#]", re.MULTILINE)


@dataclass(frozen=True)
class Resource:
    """What a document says it is; empty where it does not say."""

    group: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""


def is_file(out_path: str) -> bool:
    """Say whether an `outPath` is one file for all, and not a folder."""
    return Path(out_path).suffix in (".yaml", ".yml")


def documents(text: str) -> Iterator[str]:
    """Yield the documents of a rendered text without white space around them; those with comments only are left out."""
    yield from (part for part in map(str.strip, _SEPARATOR.split(text)) if _CONTENT.search(part))


def resource_of(document: str) -> Resource:
    """Return what `document` says it is; an empty Resource for what is no YAML mapping."""
    try:
        root = compose(document)
    except yaml.YAMLError:
        return Resource()
    top = _scalars(root)
    metadata = _scalars(_value(root, "metadata"))
    group, slash, _ = top.get("apiVersion", "").rpartition("/")
    return Resource(
        group if slash else "",
        top.get("kind", ""),
        metadata.get("namespace", ""),
        metadata.get("name", ""),
    )


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((v for k, v in pairs if isinstance(k, yaml.ScalarNode) and k.value == key), None)


def _scalars(node: yaml.Node | None) -> dict[str, str]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {
        key.value: value.value
        for key, value in pairs
        if isinstance(key, yaml.ScalarNode)
        and isinstance(value, yaml.ScalarNode)
        and value.tag != "tag:yaml.org,2002:null"
    }


def by_file(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return documents by file name; raises TerminalStepError for a name that is no plain one, or is there twice."""
    files: dict[str, str] = {}
    for name, document in named:
        if name.startswith(".") or not re.fullmatch(r"[^/\\\x00]+", name):
            raise TerminalStepError(
                f"unsafe generated resource filename {name!r}: the name, namespace or kind of a "
                "resource holds what no file name may"
            )
        if name in files:
            raise TerminalStepError(
                f"two resources would be written to {name}, and one of them would be lost: "
                "give outPath a file such as all.yaml"
            )
        files[name] = document
    return files


def write_files(context: StepContext, folder: str, files: Mapping[str, str]) -> None:
    """Write texts to paths below `folder` of the work directory and make it; what else is there stays.

    Nothing is written through a link. Raises TerminalStepError for such a place, RetryableStepError where the disk does
    not take it.
    """
    parents: dict[str, Path] = {}
    for name, text in files.items():
        path = posixpath.join(folder, name)
        above, last = posixpath.split(path)
        if above not in parents:
            parents[above] = context.workdir.existing(above)
        hidden = last.startswith(".")
        place = context.workdir.join(path) if hidden else parents[above] / last
        _write(place, path, text)


def _write(place: Path, path: str, text: str) -> None:
    if place.is_symlink() or place.is_dir():
        what = "a symbolic link" if place.is_symlink() else "a folder"
        raise TerminalStepError(f"{path} is {what}: nothing is written there")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be written: {error.strerror}") from error
