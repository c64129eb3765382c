"""Stage, PromotionTask and their steps (`kargo.md` §1.6, §1.8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from airfreight.model.base import Duration, Model, Name, Variables, none_to_empty
from airfreight.model.freight import FreightOrigin


class RetryPolicy(Model):
    """`timeout` None and `error_threshold` 0 stand for the step kind's own default."""

    timeout: Duration | None = None
    error_threshold: int = Field(default=0, ge=0)


class TaskReference(Model):
    """Names a PromotionTask of the project or a ClusterPromotionTask."""

    name: Name
    kind: Literal["PromotionTask", "ClusterPromotionTask"] = "PromotionTask"


class Step(Model):
    """One step as written: `uses` a step kind or, in a Stage's template, refers to a `task`.

    `config` is free JSON; its kind's model checks it when it is read, and again with its expressions evaluated.
    """

    uses: str = ""
    task: TaskReference | None = None
    as_: str = Field(default="", alias="as")
    if_: str = Field(default="", alias="if")
    continue_on_error: bool = False
    retry: RetryPolicy = RetryPolicy()
    vars: Variables = ()
    config: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one_of_uses_and_task(self) -> Step:
        if bool(self.uses) == (self.task is not None):
            raise ValueError("expected exactly one of uses and task")
        extra = self.if_ or self.continue_on_error or self.config or self.retry != RetryPolicy()
        if self.task is not None and extra:
            raise ValueError("a step with task may only set as, task and vars")
        return self


class PromotionTemplate(Model):
    """What a promotion to the Stage does."""

    vars: Variables = ()
    steps: tuple[Step, ...] = Field(min_length=1)


class PromotionTask(Model):
    """Steps to share; `cluster` tells a ClusterPromotionTask from a PromotionTask."""

    name: Name
    cluster: bool = False
    vars: Variables = ()
    steps: tuple[Step, ...] = Field(min_length=1)


class AutoPromotionOptions(Model):
    """How the candidate is picked."""

    selection_policy: Literal["NewestFreight", "MatchUpstream"] = "NewestFreight"


class FreightSources(Model):
    """Where the Stage takes the Freight of one origin from."""

    direct: bool = False
    stages: Annotated[tuple[Name, ...], BeforeValidator(none_to_empty)] = ()
    required_soak_time: Duration | None = None
    availability_strategy: Literal["", "All", "OneOf"] = ""
    auto_promotion_options: AutoPromotionOptions = AutoPromotionOptions()

    @property
    def matches_upstream(self) -> bool:
        """Whether only what an upstream holds at the moment counts."""
        return self.auto_promotion_options.selection_policy == "MatchUpstream"


class FreightRequest(Model):
    """One entry of `spec.requestedFreight`."""

    origin: FreightOrigin
    sources: FreightSources


class Stage(Model):
    """A promotion target. Without `promotion_template` it is a control-flow Stage and only forwards Freight."""

    name: Name
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    vars: Variables = ()
    requested_freight: tuple[FreightRequest, ...] = Field(min_length=1)
    promotion_template: PromotionTemplate | None = None

    @property
    def is_control_flow(self) -> bool:
        """Whether the Stage only marks Freight as verified."""
        return self.promotion_template is None

    def request(self, origin: FreightOrigin) -> FreightRequest | None:
        """Return what the Stage asks of this origin, or None where it asks nothing."""
        return next((r for r in self.requested_freight if r.origin.key == origin.key), None)
