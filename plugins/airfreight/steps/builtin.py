"""The step kinds that come with Airfreight: where a new one is registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airfreight.steps.airflow import AirflowStep
from airfreight.steps.argocd_update import ArgocdUpdateStep
from airfreight.steps.argocd_wait import ArgocdWaitStep
from airfreight.steps.base import PromotionStep
from airfreight.steps.compose_output import ComposeOutputStep
from airfreight.steps.copy import CopyStep
from airfreight.steps.delete import DeleteStep
from airfreight.steps.fail import FailStep
from airfreight.steps.file_write import FileWriteStep
from airfreight.steps.get_user_input import GetUserInputStep
from airfreight.steps.gha_dispatch_workflow import GhaDispatchWorkflowStep
from airfreight.steps.gha_wait_for_workflow import GhaWaitForWorkflowStep
from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_merge_pr import GitMergePRStep
from airfreight.steps.git_open_pr import GitOpenPRStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_signing import SigningKeys
from airfreight.steps.git_tag import GitTagStep
from airfreight.steps.git_wait_for_pr import GitWaitForPRStep
from airfreight.steps.github_push import GitHubPushStep
from airfreight.steps.hcl_update import HclUpdateStep
from airfreight.steps.helm_template import HelmTemplateStep
from airfreight.steps.helm_update_chart import HelmUpdateChartStep
from airfreight.steps.http import HttpStep
from airfreight.steps.http_download import HttpDownloadStep
from airfreight.steps.json_parse import JsonParseStep
from airfreight.steps.json_update import JsonUpdateStep
from airfreight.steps.kustomize_build import KustomizeBuildStep
from airfreight.steps.kustomize_set_image import KustomizeSetImageStep
from airfreight.steps.oci_download import OciDownloadStep
from airfreight.steps.oci_push import OciPushStep
from airfreight.steps.record_audit_event import RecordAuditEventStep
from airfreight.steps.send_message import SendMessageStep
from airfreight.steps.set_freight_alias import SetFreightAliasStep
from airfreight.steps.set_metadata import SetMetadataStep
from airfreight.steps.tar import TarStep
from airfreight.steps.tf_apply import TfApplyStep
from airfreight.steps.tf_output import TfOutputStep
from airfreight.steps.tf_plan import TfPlanStep
from airfreight.steps.toml_parse import TomlParseStep
from airfreight.steps.toml_update import TomlUpdateStep
from airfreight.steps.untar import UntarStep
from airfreight.steps.wait_for_approval import WaitForApprovalStep
from airfreight.steps.yaml_merge import YamlMergeStep
from airfreight.steps.yaml_parse import YamlParseStep
from airfreight.steps.yaml_update import YamlUpdateStep

_KINDS: tuple[Callable[[], PromotionStep[Any]], ...] = (
    AirflowStep,
    ArgocdUpdateStep,
    ArgocdWaitStep,
    ComposeOutputStep,
    CopyStep,
    DeleteStep,
    FailStep,
    FileWriteStep,
    GetUserInputStep,
    GhaDispatchWorkflowStep,
    GhaWaitForWorkflowStep,
    GitClearStep,
    GitHubPushStep,
    GitMergePRStep,
    GitOpenPRStep,
    GitWaitForPRStep,
    HclUpdateStep,
    HelmTemplateStep,
    HelmUpdateChartStep,
    HttpDownloadStep,
    HttpStep,
    JsonParseStep,
    JsonUpdateStep,
    KustomizeBuildStep,
    KustomizeSetImageStep,
    OciDownloadStep,
    OciPushStep,
    RecordAuditEventStep,
    SendMessageStep,
    SetFreightAliasStep,
    SetMetadataStep,
    TarStep,
    TfApplyStep,
    TfOutputStep,
    TfPlanStep,
    TomlParseStep,
    TomlUpdateStep,
    UntarStep,
    WaitForApprovalStep,
    YamlMergeStep,
    YamlParseStep,
    YamlUpdateStep,
)

# These share the keys: git-clone is given one, the others sign with it.
_SIGNING_KINDS: tuple[Callable[[SigningKeys], PromotionStep[Any]], ...] = (
    GitCloneStep,
    GitCommitStep,
    GitPushStep,
    GitTagStep,
)


def builtin_steps() -> tuple[PromotionStep[Any], ...]:
    """Return one of each kind."""
    keys = SigningKeys()
    return (*(kind() for kind in _KINDS), *(kind(keys) for kind in _SIGNING_KINDS))
