"""The examples of the steps' pages, ready to run: their templates evaluated as a promotion of Stage dev does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airfreight.expr.templates import evaluate_config
from airfreight.runtime.functions import Scope, functions
from tests.docs.pages import example
from tests.runtime.step_kinds import freight

FREIGHT = freight(
    "shop",
    images=[{"repoURL": "ghcr.io/acme/shop", "tag": "1.2.3", "digest": f"sha256:{'a' * 64}"}],
    charts=[{"repoURL": "https://charts.example.com", "name": "shop", "version": "0.4.1"}],
    commits=[{"repoURL": "https://git.example.com/shop/app.git", "id": "ab" * 20}],
)
_CTX = {
    "project": "shop",
    "stage": "dev",
    "promotion": "dev.01j.abcdefg",
    "targetFreight": {
        "name": FREIGHT.name,
        "alias": FREIGHT.alias,
        "origin": {"kind": "Warehouse", "name": "shop"},
    },
    "meta": {"promotion": {"actor": "alice", "rollback": False}},
}


def example_config(
    kind: str, outputs: Mapping[str, Any] | None = None, hosts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the config of the example on the page of `kind`, evaluated.

    `outputs` are those of earlier steps, by alias; `hosts` says which server of the test stands for which of the page.
    """
    env = {"ctx": _CTX, "vars": {}, "outputs": outputs or {}}
    known = functions(Scope(freight={"shop": FREIGHT}), "step")
    config = evaluate_config(example(kind).config, env, known)
    for shown, real in (hosts or {}).items():
        config = _replaced(config, shown, real)
    return config


def _replaced(value: Any, shown: str, real: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, shown, real) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, shown, real) for item in value]
    return value.replace(shown, real) if isinstance(value, str) else value
