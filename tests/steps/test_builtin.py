from __future__ import annotations

from airfreight.steps.installed import step_registry


def test_every_built_in_step_is_registered_by_its_kargo_name():
    assert step_registry().kinds == (
        "airflow",
        "argocd-update",
        "argocd-wait",
        "compose-output",
        "copy",
        "delete",
        "fail",
        "file-write",
        "get-user-input",
        "gha-dispatch-workflow",
        "gha-wait-for-workflow",
        "git-clear",
        "git-clone",
        "git-commit",
        "git-merge-pr",
        "git-open-pr",
        "git-push",
        "git-tag",
        "git-wait-for-pr",
        "github-push",
        "hcl-update",
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
        "record-audit-event",
        "send-message",
        "set-freight-alias",
        "set-metadata",
        "tar",
        "tf-apply",
        "tf-output",
        "tf-plan",
        "toml-parse",
        "toml-update",
        "untar",
        "wait-for-approval",
        "yaml-merge",
        "yaml-parse",
        "yaml-update",
    )


def test_an_unknown_step_suggests_the_nearest():
    assert "did you mean 'yaml-update'?" in step_registry().explain_unknown("yaml-updat")
