"""The base of all models and the value types that several kinds share."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

VARIABLE_NAME = r"^[a-zA-Z_]\w*$"
LABEL_OPERATOR = "^(In|NotIn|Exists|DoesNotExist)$"
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_LONGEST_SECONDS = 2**63 / 1e9  # Go counts nanoseconds in 64 bits
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Model(BaseModel):
    """Frozen; fields are snake_case here and camelCase in manifests; unknown fields are pruned, as in Kargo."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, alias_generator=to_camel, extra="ignore"
    )


def parse_duration(value: object) -> timedelta:
    """Read a Go duration such as ``1h30m``; raises ValueError where it is none."""
    if isinstance(value, timedelta):
        return value
    parts = _DURATION.findall(value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("expected a duration such as 30s, 5m or 1h30m")
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if seconds >= _LONGEST_SECONDS:
        raise ValueError("expected a duration of less than 292 years")
    return timedelta(seconds=seconds)


def kubernetes_name(value: str) -> str:
    """Return `value`; raises ValueError where no resource can have this name."""
    if len(value) > 253 or not re.fullmatch(f"{_LABEL}(\\.{_LABEL})*", value):
        raise ValueError(
            "expected a Kubernetes name: lower-case letters, digits, '-' and '.', at most 253 characters"
        )
    return value


def none_to_empty(value: Any) -> Any:
    """Kubernetes reads a null list or map as an absent one."""
    return () if value is None else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Name = Annotated[str, AfterValidator(kubernetes_name)]
VariableName = Annotated[str, StringConstraints(pattern=VARIABLE_NAME)]


class Variable(Model):
    """One entry of a `vars` list; `value` may hold `${{ }}`. Empty in a task: the caller has to supply it."""

    name: VariableName
    value: str = ""


Variables = Annotated[tuple[Variable, ...], BeforeValidator(none_to_empty)]


class LabelRequirement(Model):
    """One row of Kubernetes' `matchExpressions`."""

    key: str
    operator: str = Field(pattern=LABEL_OPERATOR)
    values: tuple[str, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Say whether `labels` meet this requirement, by Kubernetes' rules."""
        present = self.key in labels
        if self.operator == "Exists":
            return present
        if self.operator == "DoesNotExist":
            return not present
        listed = present and labels[self.key] in self.values
        return listed if self.operator == "In" else not listed
