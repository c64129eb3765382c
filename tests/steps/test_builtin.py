from __future__ import annotations

from airfreight.steps.builtin import builtin_registry


def test_every_built_in_step_is_registered_by_its_kargo_name():
    assert builtin_registry().kinds == (
        "argocd-update",
        "argocd-wait",
        "compose-output",
        "copy",
        "delete",
        "fail",
        "git-clear",
        "git-clone",
        "git-commit",
        "git-push",
        "http",
        "yaml-update",
    )


def test_an_unknown_step_suggests_the_nearest():
    assert "did you mean 'yaml-update'?" in builtin_registry().explain_unknown("yaml-updat")
