"""What a step author needs: the base class, its context and its result.

A step knows two failures: `TerminalStepError` (no retry can help) and `RetryableStepError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from airfreight.artifacts.argocd.applications import Applications
from airfreight.errors import SettingsError, TerminalStepError
from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.model.audit import AuditEvent
from airfreight.model.channel import MessageChannel
from airfreight.model.credential import Credential
from airfreight.model.freight import Freight
from airfreight.model.promotion import StepStatus
from airfreight.model.waiting import Delivery, Event, Happened, Person
from airfreight.steps.workdir import WorkDirectory


class StepConfig(BaseModel):
    """Base of all step configs: camelCase in manifests; an unknown field is an error, as in Kargo's schemas."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, alias_generator=to_camel, extra="forbid"
    )


@dataclass(frozen=True)
class BareExpression:
    """Marks a field that is an expression without ``${{ }}``: it is compiled when its manifest is read."""


Expression = Annotated[str, BareExpression()]


class CredentialSource(Protocol):
    """Finds the login for a repository."""

    def find(self, kind: str, url: str) -> Credential | None:
        """Return the Credential of `kind` (git, image, helm) for `url`, or None for an anonymous visit."""
        ...


class KargoObjects(Protocol):
    """What steps may change in Kargo's own objects."""

    def merge_metadata(
        self, kind: Literal["Stage", "Freight"], name: str, values: Mapping[str, Any]
    ) -> None:
        """Set these keys of an object's metadata; raises TerminalStepError where there is no such object."""
        ...

    def rename_freight(self, name: str, alias: str) -> None:
        """Give a Freight another alias; raises TerminalStepError where it cannot have it."""
        ...


class NoObjects:
    """Where a step is tried without a project: it has no Stage and no Freight."""

    def merge_metadata(
        self,
        kind: Literal["Stage", "Freight"],
        name: str,
        values: Mapping[str, Any],  # noqa: ARG002 the protocol's shape
    ) -> None:
        """Raise TerminalStepError."""
        raise TerminalStepError(f"there is no {kind} {name!r} here: only a promotion has a project")

    def rename_freight(self, name: str, alias: str) -> None:  # noqa: ARG002 the protocol's shape
        """Raise TerminalStepError."""
        raise TerminalStepError(
            f"there is no Freight {name!r} here: only a promotion has a project"
        )


class Operators(Protocol):
    """Airflow's operators, as far as the deployment lets steps have them."""

    def run(
        self, name: str, args: Mapping[str, Any], alias: str, happened: Happened | None
    ) -> StepResult:
        """Start the operator of this name, or go on with it where what it waited for has `happened`.

        Raises TerminalStepError or RetryableStepError.
        """
        ...


class NoOperators:
    """Where a step is tried without Airflow."""

    def run(
        self,
        name: str,
        args: Mapping[str, Any],  # noqa: ARG002 the protocol's shape
        alias: str,  # noqa: ARG002
        happened: Happened | None,  # noqa: ARG002
    ) -> StepResult:
        """Raise TerminalStepError."""
        raise TerminalStepError(f"operator {name!r} runs in a promotion only: it needs Airflow")


class StepLog(Protocol):
    """The task's log; both Python's own and Airflow's loggers are one."""

    def debug(self, message: str, /, *args: Any) -> None:
        """Write what only a search for a fault needs."""
        ...

    def info(self, message: str, /, *args: Any) -> None:
        """Write what a reader of the log wants to see."""
        ...

    def warning(self, message: str, /, *args: Any) -> None:
        """Write what a reader should look into."""
        ...

    def error(self, message: str, /, *args: Any) -> None:
        """Write what went wrong."""
        ...


@dataclass(frozen=True)
class StepSettings:
    """Settings that steps obey; all doors are closed by default.

    `allow_loopback`: what http and git steps reach, mail servers and charts' repositories may be on this machine (on in
    demo and tests).
    `allow_credentials_over_http`: a login may travel unencrypted (on in demo and tests).
    `max_oci_push_artifact_size`: bytes that oci-push copies to another repository; -1 is no limit, 0 allows no copy.
    `max_workspace_size`: bytes that the work directory may hold after a step.
    `expression_limits`: those of each expression that a step evaluates itself.
    `allow_render_network`: rendering may fetch what a kustomization names elsewhere.
    `allow_terraform`: the steps tf-plan, tf-apply and tf-output may run.
    `ui_base_url`: the address of the UI, empty where it is not known.
    `github_push_max_revisions`, `github_push_verify_untrusted_commits`: see the step github-push.
    `gate_look_interval`: the least time between two looks of a step that waits for a person.
    `roles`: the ids of the users that have each role of the deployment.
    `cache`: where this machine keeps mirrors of Git repositories; None where it keeps none.
    """

    allow_loopback: bool = False
    allow_credentials_over_http: bool = False
    allow_render_network: bool = False
    allow_terraform: bool = False
    ui_base_url: str = ""
    github_push_max_revisions: int = 10
    github_push_verify_untrusted_commits: bool = False
    max_oci_push_artifact_size: int = 2**30
    max_workspace_size: int = 5 * 2**30
    author_name: str = "Airfreight"
    author_email: str = "no-reply@airfreight.invalid"
    expression_limits: Limits = DEFAULT_LIMITS
    git_push_integration_policy: str = "AlwaysRebase"
    gate_look_interval: timedelta = timedelta(hours=1)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cache: Path | None = None


def no_argocd() -> AbstractContextManager[Applications]:
    """Stand for the Argo CD of a project that names none: raises SettingsError."""
    raise SettingsError(
        "this project names no Argo CD: annotate its Project with airfreight/argocd-connection, "
        "the id of a Connection of type kubernetes or http"
    )


@dataclass(frozen=True)
class OpenChannel:
    """A message channel and what its Connection holds; `login` None: it names none."""

    channel: MessageChannel
    login: Credential | None


def no_channel(kind: str, name: str) -> OpenChannel:
    """Stand for the message channels of a project where a step is tried without one: raises SettingsError."""
    raise SettingsError(f"there is no {kind} {name!r} here: only a promotion has a project")


def no_audit_trail(event: AuditEvent) -> None:  # noqa: ARG001 the collaborator's shape
    """Stand for the events of a Stage where a step is tried without one: raises TerminalStepError."""
    raise TerminalStepError(
        "there is no Stage here to record an event in: only a promotion has one"
    )


def no_notifier(name: str, args: Mapping[str, Any]) -> None:  # noqa: ARG001 the collaborator's shape
    """Stand for Airflow's notifiers where a step is tried without Airflow: raises TerminalStepError."""
    raise TerminalStepError(f"notifier {name!r} sends in a promotion only: it needs Airflow")


@dataclass(frozen=True)
class StepContext:
    """All that a step may know and use.

    `started_at` is the Promotion's start: commits and tags are dated by it, so that a repeated run makes the same SHA.
    `freight` maps an origin's key to the Freight that the Promotion has from there.
    `previous_output` is what this step put out on an earlier poll or before its work directory was lost.
    `http` makes a client; steps never build their own transport.
    `redact` hides the passwords that the step's expressions read.
    `actor` is the person who decided on the Promotion; empty: it is automatic.
    `planning`: nothing outside may change: what a step would push as a part of its work stays in the clone.
    `argocd` opens the project's Argo CD; entering it raises SettingsError where it cannot be opened.
    `record_event` keeps an event in the Stage's register; one of a step that has one already changes nothing.
    `channel` opens a message channel by kind and name; raises SettingsError where it cannot be opened.
    `notify` sends by a notifier of Airflow's, one that the deployment lets steps have, with these arguments. Raises
    TerminalStepError or RetryableStepError.
    `check_fence` raises where another process has taken this Promotion over. The engine asks before each run of a step;
    a step that repeats an outside effect by itself asks before each.
    `delivered` is the answer or the event that the step's last result waited for; None at any other run.
    """

    project: str
    stage: str
    promotion: str
    alias: str
    started_at: datetime
    workdir: WorkDirectory
    credentials: CredentialSource
    settings: StepSettings
    http: Callable[..., httpx.Client]
    log: StepLog
    check_fence: Callable[[], None]
    redact: Callable[[str], str] = str
    previous_output: Mapping[str, Any] | None = None
    objects: KargoObjects = field(default_factory=NoObjects)
    freight: Mapping[str, Freight] = field(default_factory=dict)
    actor: str = ""
    planning: bool = False
    argocd: Callable[[], AbstractContextManager[Applications]] = no_argocd
    operators: Operators = field(default_factory=NoOperators)
    delivered: Delivery | None = None
    record_event: Callable[[AuditEvent], None] = no_audit_trail
    channel: Callable[[str, str], OpenChannel] = no_channel
    notify: Callable[[str, Mapping[str, Any]], None] = no_notifier


@dataclass(frozen=True)
class StepResult:
    """How a run of a step ended.

    `retry_after` goes with Running: when the step wants to be asked again. So does `waits_for`: a person's answer or an
    event, at which the step is asked at once; with it and no `retry_after` it is asked at nothing else.
    `health_check` goes with Succeeded: what the Stage's health depends on from now on, as Kargo's ``{uses, config}``.
    """

    status: StepStatus = StepStatus.SUCCEEDED
    output: Mapping[str, Any] | None = None
    message: str = ""
    retry_after: timedelta | None = None
    health_check: Mapping[str, Any] | None = None
    waits_for: Person | Event | None = None


ConfigT = TypeVar("ConfigT", bound=StepConfig)


class PromotionStep(ABC, Generic[ConfigT]):
    """One step kind.

    `kind` is the name in `uses`. `config_type` types `config`. `default_timeout` None means none.
    `uses_workdir`: whether the step reads or writes the work directory; one that does keeps it alive over a deferral.
    `propagates_output`: whether the output also becomes the output of the task around the step.
    `outside_effect`: what a run changes or waits for outside the work directory, such as "opens a pull request"; empty
    where it only reads. A plan stops there, and so at every kind that does not say.
    """

    kind: ClassVar[str]
    config_type: type[ConfigT]
    outside_effect: ClassVar[str] = "may change something outside, as its kind does not say"
    default_timeout: ClassVar[timedelta | None] = None
    default_error_threshold: ClassVar[int] = 1
    uses_workdir: ClassVar[bool] = True
    propagates_output: ClassVar[bool] = False

    def effect_of(self, config: ConfigT) -> str:  # noqa: ARG002 for kinds that only some configs make harmless
        """Return the `outside_effect` of a run with this config."""
        return self.outside_effect

    @abstractmethod
    def run(self, config: ConfigT, context: StepContext) -> StepResult:
        """Do the step's work once; safe to repeat."""


def read_config(kind: PromotionStep[ConfigT], config: Mapping[str, Any]) -> ConfigT:
    """Return `config` as the step has it, by the names of manifests only; raises pydantic's ValidationError."""
    return kind.config_type.model_validate(config, by_alias=True, by_name=False)
