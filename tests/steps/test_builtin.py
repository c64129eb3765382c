from __future__ import annotations

from typing import Any

import pytest

from airfreight.steps.base import PromotionStep
from airfreight.steps.builtin import builtin_registry, builtin_steps


def test_every_built_in_step_is_registered_by_its_kargo_name():
    assert builtin_registry().kinds == (
        "argocd-update",
        "argocd-wait",
        "compose-output",
        "copy",
        "delete",
        "fail",
        "file-write",
        "git-clear",
        "git-clone",
        "git-commit",
        "git-merge-pr",
        "git-open-pr",
        "git-push",
        "git-tag",
        "git-wait-for-pr",
        "github-push",
        "helm-template",
        "helm-update-chart",
        "http",
        "http-download",
        "json-parse",
        "json-update",
        "kustomize-build",
        "kustomize-set-image",
        "oci-download",
        "oci-push",
        "set-freight-alias",
        "set-metadata",
        "tar",
        "toml-parse",
        "toml-update",
        "untar",
        "yaml-merge",
        "yaml-parse",
        "yaml-update",
    )


def test_an_unknown_step_suggests_the_nearest():
    assert "did you mean 'yaml-update'?" in builtin_registry().explain_unknown("yaml-updat")


@pytest.mark.parametrize("step", builtin_steps(), ids=lambda step: step.kind)
def test_every_built_in_step_says_whether_a_run_has_an_effect_outside(step: PromotionStep[Any]):
    assert step.outside_effect != PromotionStep.outside_effect
