from __future__ import annotations

from typing import Any

import pytest

from airfreight.artifacts.argocd.application import Application
from airfreight.errors import RetryableStepError
from airfreight.steps.argocd_sources import SourceUpdate, desired_revisions, desired_sources

GIT = "https://git.example.com/shop/gitops.git"
CHARTS = "https://charts.example.com"


def application(*sources: dict[str, Any], single: bool = False) -> Application:
    spec = {"source": sources[0]} if single else {"sources": list(sources)}
    return Application({"metadata": {"name": "web", "namespace": "argocd"}, "spec": spec})


def updates(*documents: dict[str, Any]) -> list[SourceUpdate]:
    return [SourceUpdate.model_validate(document) for document in documents]


@pytest.mark.parametrize(
    ("update", "source"),
    [
        pytest.param({"repoURL": GIT}, {"repoURL": GIT}, id="git"),
        pytest.param(
            {"repoURL": "https://GIT.example.com/shop/gitops"},
            {"repoURL": GIT},
            id="git-in-another-spelling",
        ),
        pytest.param(
            {"repoURL": CHARTS, "chart": "web"}, {"repoURL": CHARTS, "chart": "web"}, id="chart"
        ),
    ],
)
def test_an_update_finds_its_source(update: dict[str, Any], source: dict[str, Any]) -> None:
    wanted = {**update, "desiredRevision": "v2", "updateTargetRevision": True}
    app = application(source, single=True)
    assert desired_sources(app, updates(wanted)) == ({**source, "targetRevision": "v2"},)
    assert desired_revisions(app, updates(wanted)) == ["v2"]


@pytest.mark.parametrize(
    ("update", "source", "message"),
    [
        pytest.param(
            {"repoURL": "https://git.example.com/other"},
            {"repoURL": GIT},
            r'no source of Argo CD Application "web" in namespace "argocd" matched update for source'
            r" with repoURL https://git\.example\.com/other$",
            id="another-repository",
        ),
        pytest.param(
            {"repoURL": CHARTS, "chart": "api"},
            {"repoURL": CHARTS, "chart": "web"},
            f'with repoURL {CHARTS} and chart "api"$',
            id="another-chart",
        ),
        pytest.param(
            {"repoURL": f"{CHARTS}/", "chart": "web"},
            {"repoURL": CHARTS, "chart": "web"},
            "no source",
            id="a-chart-repository-in-another-spelling",
        ),
        pytest.param(
            {"repoURL": CHARTS}, {"repoURL": CHARTS, "chart": "web"}, "no source", id="no-chart"
        ),
    ],
)
def test_an_update_that_fits_no_source_is_an_error(
    update: dict[str, Any], source: dict[str, Any], message: str
) -> None:
    with pytest.raises(RetryableStepError, match=message):
        desired_sources(application(source), updates(update))


def test_a_desired_revision_alone_changes_no_source() -> None:
    source = {"repoURL": GIT, "targetRevision": "main"}
    assert desired_sources(
        application(source), updates({"repoURL": GIT, "desiredRevision": "v2"})
    ) == (source,)


def test_of_several_sources_each_gets_its_own_update_and_others_stay() -> None:
    app = application(
        {"repoURL": CHARTS, "chart": "web", "targetRevision": "1.0.0"},
        {"repoURL": "https://git.example.com/other", "targetRevision": "main"},
        {"repoURL": GIT, "targetRevision": "main"},
    )
    wanted = updates(
        {"repoURL": GIT, "desiredRevision": "abc"},
        {
            "repoURL": CHARTS,
            "chart": "web",
            "desiredRevision": "1.1.0",
            "updateTargetRevision": True,
        },
    )
    chart, *others = desired_sources(app, wanted)
    assert chart["targetRevision"] == "1.1.0"
    assert tuple(others) == app.sources[1:]
    assert desired_revisions(app, wanted) == ["1.1.0", "", "abc"]


def test_of_two_sources_that_fit_the_first_is_changed() -> None:
    app = application({"repoURL": GIT, "path": "a"}, {"repoURL": GIT, "path": "b"})
    wanted = updates({"repoURL": GIT, "desiredRevision": "v2", "updateTargetRevision": True})
    first, second = desired_sources(app, wanted)
    assert (first["targetRevision"], "targetRevision" in second) == ("v2", False)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        pytest.param({"tag": "1.2"}, "ghcr.io/a/b:1.2", id="tag"),
        pytest.param({"digest": "sha256:0"}, "ghcr.io/a/b@sha256:0", id="digest"),
        pytest.param({"newName": "ecr/b", "tag": "1"}, "ghcr.io/a/b=ecr/b:1", id="new-name"),
        pytest.param({"tag": "", "digest": "sha256:0"}, "ghcr.io/a/b@sha256:0", id="empty-tag"),
    ],
)
def test_kustomize_images_take_the_place_of_all_that_were_there(
    image: dict[str, str], text: str
) -> None:
    source = {"repoURL": GIT, "kustomize": {"namePrefix": "x-", "images": ["old:1"]}}
    wanted = {
        "repoURL": GIT,
        "kustomize": {"images": [{"repoURL": "ghcr.io/a/b", **image}]},
    }
    (changed,) = desired_sources(application(source), updates(wanted))
    assert changed["kustomize"] == {"namePrefix": "x-", "images": [text]}


def test_helm_parameters_are_set_in_place_and_new_ones_come_last() -> None:
    parameters = [
        {"name": "image.tag", "value": "1.0", "forceString": True},
        {"name": "replicas", "value": "2"},
    ]
    source = {"repoURL": GIT, "helm": {"releaseName": "web", "parameters": parameters}}
    images = [{"key": "extra", "value": "x"}, {"key": "image.tag", "value": "1.10"}]
    (changed,) = desired_sources(
        application(source), updates({"repoURL": GIT, "helm": {"images": images}})
    )
    assert changed["helm"] == {
        "releaseName": "web",
        "parameters": [
            {"name": "image.tag", "value": "1.10", "forceString": True},
            {"name": "replicas", "value": "2"},
            {"name": "extra", "value": "x"},
        ],
    }


def test_a_source_without_kustomize_and_helm_gets_them() -> None:
    wanted = {
        "repoURL": GIT,
        "kustomize": {"images": [{"repoURL": "a", "tag": "1"}]},
        "helm": {"images": [{"key": "k", "value": ""}]},
    }
    (changed,) = desired_sources(application({"repoURL": GIT}), updates(wanted))
    assert changed["kustomize"] == {"images": ["a:1"]}
    assert changed["helm"] == {"parameters": [{"name": "k", "value": ""}]}
