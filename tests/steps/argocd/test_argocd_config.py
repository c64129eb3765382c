from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.argocd_update import ArgocdUpdateConfig
from airfreight.steps.argocd_wait import ArgocdWaitConfig
from tests.steps.argocd.conftest import Bench

REPO = "https://git.example.com/shop/gitops.git"


def source(**fields: Any) -> dict[str, Any]:
    return {"name": "web", "sources": [{"repoURL": REPO, **fields}]}


def selector(**fields: Any) -> dict[str, Any]:
    return {"selector": fields}


def expression(operator: str, **fields: Any) -> dict[str, Any]:
    return selector(matchExpressions=[{"key": "team", "operator": operator, **fields}])


def image(**fields: Any) -> dict[str, Any]:
    return source(kustomize={"images": [{"repoURL": "ghcr.io/a/b", **fields}]})


BOTH = [
    pytest.param({}, "exactly one of name and selector", id="neither-name-nor-selector"),
    pytest.param(
        {"name": "web", **selector(matchLabels={"a": "b"})}, "exactly one of name", id="both"
    ),
    pytest.param({"name": ""}, "at least 1 character", id="empty-name"),
    pytest.param({"name": "web", "namespace": ""}, "at least 1 char", id="empty-namespace"),
    pytest.param(selector(), "at least one of matchLabels", id="empty-selector"),
    pytest.param(expression("In"), "expected values with In", id="in-without-values"),
    pytest.param(expression("Exists", values=["x"]), "nothing else", id="exists-with-values"),
    pytest.param(expression("Gt", values=["1"]), "Input should be 'In'", id="unknown-operator"),
    pytest.param({"name": "web", "cluster": "x"}, "Extra inputs", id="unknown-field"),
]


@pytest.mark.parametrize("config", [ArgocdUpdateConfig, ArgocdWaitConfig])
@pytest.mark.parametrize(("app", "message"), BOTH)
def test_what_names_no_application_is_refused(
    config: Any, app: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        config.model_validate({"apps": [app]})


@pytest.mark.parametrize("config", [ArgocdUpdateConfig, ArgocdWaitConfig])
@pytest.mark.parametrize("apps", [{}, {"apps": []}], ids=["missing", "empty"])
def test_at_least_one_entry_is_required(config: Any, apps: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="apps"):
        config.model_validate(apps)


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param({"name": "web", "sources": []}, "at least 1 item", id="no-source"),
        pytest.param(
            {"name": "web", "sources": [{}]}, r"repoURL\n  Field required", id="no-repository"
        ),
        pytest.param(source(chart=""), "at least 1 character", id="empty-chart"),
        pytest.param(source(desiredRevision=""), "at least 1 char", id="empty-revision"),
        pytest.param(
            source(updateTargetRevision=True), "needs desiredRevision", id="no-revision-to-set"
        ),
        pytest.param(source(kustomize={"images": []}), "at least 1 item", id="no-image"),
        pytest.param(image(), "exactly one of tag and digest", id="image-without-version"),
        pytest.param(image(tag="1", digest="sha256:0"), "exactly one of tag", id="tag-and-digest"),
        pytest.param(image(tag="1", newName=""), "at least 1 character", id="empty-new-name"),
        pytest.param(source(helm={}), "Field required", id="helm-without-images"),
        pytest.param(source(helm={"images": []}), "at least 1 item", id="no-parameter"),
        pytest.param(
            source(helm={"images": [{"key": "a"}]}), "Field required", id="parameter-without-value"
        ),
        pytest.param(
            source(helm={"images": [{"key": "a", "value": 1.1}]}), "valid string", id="number"
        ),
        pytest.param({"name": "web", "waitFor": ["sync"]}, "Extra inputs", id="wait-for"),
    ],
)
def test_a_bad_change_is_refused(app: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArgocdUpdateConfig.model_validate({"apps": [app]})


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param({"name": "web", "waitFor": []}, "at least 1 item", id="nothing"),
        pytest.param({"name": "web", "waitFor": ["ready"]}, "Input should be", id="unknown"),
        pytest.param({"name": "web", "waitFor": ["sync", "sync"]}, "once", id="twice"),
        pytest.param(source(), "Extra inputs", id="sources"),
    ],
)
def test_a_bad_condition_to_wait_for_is_refused(app: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArgocdWaitConfig.model_validate({"apps": [app]})


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param({"name": "../secrets/x"}, "name '../secrets/x': expected", id="path-as-name"),
        pytest.param({"name": ".."}, "expected a Kubernetes name", id="dots-as-name"),
        pytest.param(
            {"name": "web", "namespace": "a/b"}, "namespace 'a/b': expected", id="path-as-namespace"
        ),
        pytest.param(
            selector(matchLabels={"a,b": "c"}), "'a,b' is no label's key", id="comma-in-key"
        ),
        pytest.param(
            selector(matchLabels={"a": "c,!d"}), "'c,!d' is no label's value", id="comma-in-value"
        ),
        pytest.param(
            expression("In", values=["a),b in (c"]), "is no label's value", id="brackets-in-value"
        ),
        pytest.param(
            selector(matchExpressions=[{"key": "!a", "operator": "Exists"}]),
            "'!a' is no label's key",
            id="not-in-key",
        ),
    ],
)
def test_what_can_name_no_application_is_asked_for_nowhere(
    bench: Bench, app: dict[str, Any], message: str
) -> None:
    for run in (bench.update, bench.wait):
        with pytest.raises(TerminalStepError, match=re.escape(message)) as caught:
            run(app)
        assert caught.value.failed
    assert bench.server.asked == []
