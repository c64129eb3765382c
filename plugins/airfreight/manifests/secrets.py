"""Secrets: they name an Airflow Connection and hold no value of their own (`kargo.md` §5.2).

No message shows anything that a Secret holds under `data` or `stringData`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.manifests.resources import Resource
from airfreight.manifests.shapes import read_model
from airfreight.model.connections import ConnectionIds
from airfreight.model.patterns import pattern_fault
from airfreight.model.project import RepositoryCredential
from airfreight.model.urls import has_plain_host

CRED_TYPE = "kargo.akuity.io/cred-type"
CONNECTION = "airfreight/connection"

_NOT_SECRET = ("repoURL", "repoURLIsRegex")
_CRED_TYPES = ("git", "helm", "image", "generic")


def read_secret(resource: Resource, ids: ConnectionIds) -> RepositoryCredential | None:
    """Return the credential that a Secret names, or None where it is at fault."""
    found = resource.found
    connection = _connection(resource, ids)
    texts = _texts(resource, connection)
    _check_type(resource, texts)
    if found.errors:
        return None
    data = {
        "name": resource.name,
        "credType": resource.labels[CRED_TYPE],
        "repoURL": texts.get("repoURL", ""),
        "repoURLIsRegex": texts.get("repoURLIsRegex") == "true",
        "connectionId": connection,
        "shared": ids.project is None,
    }
    return read_model(RepositoryCredential, data, _where, found)


def _where(path: Path) -> Path:
    return ("metadata", "name") if path == ("name",) else ("stringData", *path)


def _connection(resource: Resource, ids: ConnectionIds) -> str:
    """Return the Connection's id, or the one to suggest where the annotation is missing or forbidden."""
    named = resource.annotations.get(CONNECTION)
    suggested = ids.own + re.sub(r"\W", "_", resource.name)
    path = ("metadata", "annotations", CONNECTION)
    if named is None:
        resource.found.error(path, "required annotation is missing", _command(suggested))
        return suggested
    refusal = ids.refusal(named)
    if refusal is not None:
        resource.found.error(path, refusal, _command(suggested))
        return suggested
    return named


def _command(connection: str) -> str:
    return (
        f"airflow connections add {connection} --conn-type generic --conn-login <user> "
        f"--conn-password <password>, then annotate the Secret with {CONNECTION}: {connection}"
    )


def _texts(resource: Resource, connection: str) -> Mapping[str, str]:
    """Return the entries that a Secret may hold; every other one is an error that does not show it."""
    texts: dict[str, str] = {}
    for section in ("data", "stringData"):
        for key, value in resource.section(section).items():
            path = (section, key)
            if key not in _NOT_SECRET:
                message = "a Secret holds no values here; they belong in an Airflow Connection"
                resource.found.error(path, message, _command(connection))
                continue
            text = _text(path, value, resource.found)
            if text is not None:
                texts[key] = text
    return texts


def _text(path: Path, value: Any, found: Findings) -> str | None:
    if not isinstance(value, str):
        found.error(path, "expected a string", "put it in quotes")
        return None
    if path[0] == "stringData":
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        found.error(path, "expected base64", "stringData takes plain text")
        return None


def _check_type(resource: Resource, texts: Mapping[str, str]) -> None:
    found = resource.found
    label = ("metadata", "labels", CRED_TYPE)
    kind = resource.labels.get(CRED_TYPE)
    if kind not in _CRED_TYPES:
        said = "required label is missing" if kind is None else f"unknown type {kind!r}"
        found.error(label, f"{said}; expected git, helm, image or generic")
        return
    path: Path = ("stringData", "repoURL")
    if path not in found.document.places:
        path = ("data", "repoURL")
    if kind != "generic" and (path not in found.document.places or texts.get("repoURL") == ""):
        found.error(path, "required field is missing", "it says which repositories this opens")
    is_regex = texts.get("repoURLIsRegex") == "true"
    if not is_regex and not has_plain_host(texts.get("repoURL", "")):
        found.error(path, "expected a host in ASCII", "write xn--… for a name in other letters")
    if is_regex and pattern_fault(texts.get("repoURL", "")):
        found.error(path, "does not compile as a regular expression")
