"""`spec.subscriptions` of a Warehouse: one type each, and the rules of each type (`kargo.md` §1.4)."""

from __future__ import annotations

import re
from typing import Any

from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.model.subscription import Subscription
from airfreight.model.suggestions import suggest
from airfreight.model.urls import normalize_chart, normalize_git, normalize_image
from airfreight.sources.catalogue import faults_of, generic_kinds

_GENERIC = "generic"
_TYPES = ("image", "git", "chart")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# Kargo's discovery fails on them since v1.11.
_GONE = {"allowTags": "allowTagsRegexes", "ignoreTags": "ignoreTagsRegexes"}


def typed_subscriptions(entries: object, found: Findings) -> object:
    """Return the entries as the model has them; the findings say which are of no known type."""
    if not isinstance(entries, list):
        return entries
    return [_typed(entry, _place(index), found) for index, entry in enumerate(entries)]


def manifest_path(path: Path, entries: object) -> Path:
    """Return where in `spec` the model's `path` is: what the model calls generic has its kind as key there."""
    if len(path) < 3 or path[0] != "subscriptions" or path[2] != _GENERIC:
        return path
    index = path[1]
    if not isinstance(entries, list) or not isinstance(index, int):
        return path
    return (*path[:2], *(set(entries[index]) - {"name"}), *path[3:])


def check_subscriptions(
    subscriptions: tuple[Subscription, ...], entries: object, found: Findings
) -> None:
    """Note what is wrong with well-formed subscriptions, each alone and all together."""
    first: dict[tuple[str, ...], int] = {}
    names: dict[str, int] = {}
    for index, subscription in enumerate(subscriptions):
        _check_name(subscription, index, names, found)
        for fault in faults_of(subscription):
            place = manifest_path(
                ("subscriptions", index, _type_of(subscription), *fault.field), entries
            )
            found.error(("spec", *place), fault.message, fault.hint, offset=fault.offset)
        identity = _identity(subscription)
        earlier = first.setdefault(identity, index) if identity else index
        if earlier != index:
            message = f"the same repository as in spec.subscriptions[{earlier}]"
            place = (*_place(index), _type_of(subscription), "repoURL")
            found.error(place, message, "a Warehouse watches a repository once")


def _place(index: int) -> Path:
    return ("spec", "subscriptions", index)


def _type_of(subscription: Subscription) -> str:
    return next(name for name in (*_TYPES, _GENERIC) if getattr(subscription, name) is not None)


def _typed(entry: object, place: Path, found: Findings) -> object:
    if not isinstance(entry, dict):
        return entry
    types = sorted(set(entry) - {"name"})
    if len(types) != 1:
        listed = ", ".join(types) or "none"
        found.error(place, f"expected exactly one type of subscription, found {listed}")
        return entry
    kind = types[0]
    if not isinstance(entry[kind], dict):
        found.error((*place, kind), "expected a mapping: the fields of the subscription")
        return entry
    if kind in _TYPES:
        _refuse_gone(entry[kind], (*place, kind), found)
        return entry
    return _generic(entry, kind, place, found)


def _refuse_gone(fields: dict[str, Any], place: Path, found: Findings) -> None:
    for gone, instead in _GONE.items():
        if gone in fields:
            found.error_key((*place, gone), "Kargo has no such field any more", f"use {instead}")


def _generic(entry: dict[str, Any], kind: str, place: Path, found: Findings) -> object:
    known = generic_kinds()
    if kind not in known:
        listed = ", ".join((*_TYPES, *sorted(known)))
        hint = suggest(kind, (*_TYPES, *known)) or f"there are {listed}"
        found.error_key((*place, kind), f"there is no type of subscription {kind!r}", hint)
        return entry
    return {**_named(entry), _GENERIC: {**entry[kind], "kind": kind}}


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    return {"name": entry["name"]} if "name" in entry else {}


def _check_name(
    subscription: Subscription, index: int, names: dict[str, int], found: Findings
) -> None:
    place = (*_place(index), "name")
    name = subscription.name
    if not name:
        if subscription.generic is not None:
            message = "required field is missing"
            found.error(place, message, "a Freight's artifact of this type is called by it")
        return
    if not _LABEL.fullmatch(name):
        found.error(place, "expected a name of lower-case letters, digits and '-', at most 63")
    earlier = names.setdefault(name, index)
    if earlier != index:
        found.error(place, f"the same name as in spec.subscriptions[{earlier}]")


def _identity(subscription: Subscription) -> tuple[str, ...]:
    """Return what a Warehouse may have once; nothing for another type, whose name is unique already."""
    if subscription.image is not None:
        return ("image", normalize_image(subscription.image.repo_url))
    if subscription.git is not None:
        return ("git", normalize_git(subscription.git.repo_url))
    if subscription.chart is not None:
        return ("chart", normalize_chart(subscription.chart.repo_url), subscription.chart.name)
    return ()
