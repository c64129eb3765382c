"""Which Applications a step means, and which of them a Stage may change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Self

from pydantic import Field, model_validator

from airfreight.artifacts.argocd.application import Application, named
from airfreight.artifacts.argocd.applications import Applications
from airfreight.errors import ArtifactError, RetryableStepError, SettingsError, TerminalStepError
from airfreight.model.base import kubernetes_name
from airfreight.steps.base import StepConfig, StepContext

AUTHORIZED_STAGE = "kargo.akuity.io/authorized-stage"

_LABEL_NAME = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL_KEY = re.compile(f"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_LABEL_NAME}")
_LABEL_VALUE = re.compile(f"({_LABEL_NAME})?")


class MatchExpression(StepConfig):
    """One condition on a label."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_values_where_they_count(self) -> Self:
        if bool(self.values) != (self.operator in ("In", "NotIn")):
            raise ValueError("expected values with In and NotIn, and with nothing else")
        return self

    def text(self) -> str:
        """Return the condition as Kubernetes spells it; raises ValueError where it cannot be one."""
        key, values = _label_key(self.key), ",".join(map(_label_value, self.values))
        match self.operator:
            case "Exists":
                return key
            case "DoesNotExist":
                return f"!{key}"
            case operator:
                return f"{key} {operator.lower()} ({values})"


class AppSelector(StepConfig):
    """Conditions on labels, all of which must hold."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[MatchExpression, ...] = ()

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if not self.match_labels and not self.match_expressions:
            raise ValueError("expected at least one of matchLabels and matchExpressions")
        return self

    def text(self) -> str:
        """Return all conditions as Kubernetes spells them; raises ValueError where one cannot be."""
        labels = [f"{_label_key(k)}={_label_value(v)}" for k, v in self.match_labels.items()]
        return ",".join([*labels, *(one.text() for one in self.match_expressions)])


class AppReference(StepConfig):
    """One Application by name, or several by their labels."""

    name: str | None = Field(default=None, min_length=1)
    namespace: str | None = Field(default=None, min_length=1)
    selector: AppSelector | None = None

    @model_validator(mode="after")
    def _names_or_selects(self) -> Self:
        if (self.name is None) == (self.selector is None):
            raise ValueError("expected exactly one of name and selector")
        return self

    def find(self, applications: Applications) -> tuple[Application, ...]:
        """Return the Applications.

        Raises RetryableStepError where there is none, TerminalStepError for what can name none, or ArtifactError.
        """
        namespace = self.namespace or applications.default_namespace
        with _terminal(f"namespace {namespace!r}"):
            kubernetes_name(namespace)
        if self.selector is None:
            return (self._named(str(self.name), namespace, applications),)
        with _terminal("selector"):
            selector = self.selector.text()
        matching = applications.select(namespace, selector)
        if not matching:
            raise RetryableStepError(
                f'no Argo CD Applications found matching selector in namespace "{namespace}"'
            )
        return matching

    def _named(self, name: str, namespace: str, applications: Applications) -> Application:
        with _terminal(f"name {name!r}"):
            kubernetes_name(name)
        found = applications.get(namespace, name)
        if found is None:
            raise RetryableStepError(f"unable to find {named(name, namespace)}")
        return found


# Names become part of a path, and labels of a text in which a comma begins another condition. They are looked at when
# the step runs: before, they may be templates.
@contextmanager
def _terminal(field: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise TerminalStepError(f"apps: {field}: {error}", failed=True) from None


def _label_key(key: str) -> str:
    if not _LABEL_KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no label's key, such as team or example.com/team")
    return key


def _label_value(value: str) -> str:
    if not _LABEL_VALUE.fullmatch(value):
        raise ValueError(
            f"{value!r} is no label's value: at most 63 letters, digits, '-', '_' and '.'"
        )
    return value


@contextmanager
def open_argocd(context: StepContext) -> Iterator[Applications]:
    """Open the project's Argo CD; what it cannot do is raised as a step error."""
    try:
        with context.argocd() as applications:
            yield applications
    except SettingsError as error:
        raise TerminalStepError(str(error)) from None
    except ArtifactError as error:
        raise RetryableStepError(str(error)) from None


def refuse_change(application: Application, project: str, stage: str) -> str | None:
    """Say why the Stage may not change the Application, or None where its annotation permits it.

    The annotation lists ``<project>:<stage>``, separated by commas. One entry that is none spoils all.
    """
    listed = application.annotations.get(AUTHORIZED_STAGE)
    if listed is None:
        return (
            f"{application} does not permit mutation by Stage {project}:{stage}: "
            f"it has no annotation {AUTHORIZED_STAGE}"
        )
    permitted: set[tuple[str, str]] = set()
    for entry in str(listed).split(","):
        owner, colon, name = entry.strip().partition(":")
        if not colon:
            return f'{application}: annotation {AUTHORIZED_STAGE} ("{listed}") cannot be parsed'
        if "*" in entry:
            return f'{application}: annotation {AUTHORIZED_STAGE} ("{listed}") holds a glob'
        permitted.add((owner, name))
    if (project, stage) in permitted:
        return None
    return f"{application} does not permit mutation by Stage {project}:{stage}"
