"""Classes of Airflow's that steps may use: the deployment says which, manifests give arguments, which are data.

Nothing that a manifest says is rendered as Jinja, imported or called: templates were evaluated by then, and Airflow
renders the fields of a task's own operator only.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from airflow.sdk import BaseNotifier, BaseOperator
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout

from airfreight.errors import RetryableStepError, SettingsError, TerminalStepError
from airfreight.manifests.findings import dotted
from airfreight.model.connections import ConnectionIds, named_connections
from airfreight.runtime.credentials import own_connection
from airfreight.steps.base import StepLog

_LONGEST_CAUSE = 1000

KindT = TypeVar("KindT", BaseOperator, BaseNotifier)


class AllowedClasses(Generic[KindT]):
    """Makes objects of the classes that one setting allows.

    :param noun: what they are; the setting is its plural.
    :param base: what they extend.
    :param allowed: name → import path, as the deployment set it.
    :param ids: the Connections that their arguments may name.
    """

    def __init__(
        self, noun: str, base: type[KindT], allowed: Mapping[str, str], ids: ConnectionIds
    ) -> None:
        self._noun = noun
        self._base: type[KindT] = base
        self._allowed = allowed
        self._ids = ids

    def make(self, name: str, args: Mapping[str, Any], **own: Any) -> KindT:
        """Return an object of the class of this name; `own` are arguments that no manifest gives."""
        kind = self._find(name)
        known = _parameters(kind, self._base)
        unknown = sorted(set(args) - known)
        if unknown:
            raise TerminalStepError(
                f"args: {name} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known))}",
                failed=True,
            )
        self._check_connections(args)
        try:
            made = kind(**own, **args)
        except Exception as error:
            raise TerminalStepError(
                f"args: {name} does not take them: {cause(error)}", failed=True
            ) from None
        # What it takes where the arguments name none may be anybody's.
        self._check_connections(vars(made))
        return made

    def _find(self, name: str) -> type[KindT]:
        setting = f"setting [airfreight] {self._noun}s"
        path = self._allowed.get(name)
        if path is None:
            allowed = (
                f"allows {', '.join(sorted(self._allowed))}" if self._allowed else "names none"
            )
            raise TerminalStepError(
                f"{self._noun} {name!r} is not allowed: the {setting} {allowed}", failed=True
            )
        module, _, attribute = path.rpartition(".")
        try:
            kind = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise TerminalStepError(
                f"{setting}: {name} is {path}, which cannot be imported: {error}"
            ) from None
        if not (isinstance(kind, type) and issubclass(kind, self._base)):
            raise TerminalStepError(f"{setting}: {name} is {path}, which is no {self._noun}")
        return kind

    def _check_connections(self, arguments: Mapping[str, Any]) -> None:
        for place, connection_id in named_connections(arguments):
            try:
                own_connection(connection_id, self._ids)
            except SettingsError as error:
                raise TerminalStepError(f"args: {dotted(place)}: {error}", failed=True) from None


def passing_failure(name: str, error: BaseException, log: StepLog) -> RetryableStepError:
    """Return what an error that may pass is to the step."""
    if isinstance(error, AirflowException | AirflowTaskTimeout):
        return RetryableStepError(f"{name} failed: {cause(error)}")
    kind = type(error).__name__
    # A text that is not Airflow's may hold anything; the log masks what Airflow knows to be secret.
    log.error("%s raised %s: %s", name, kind, cause(error))
    return RetryableStepError(f"{name} raised {kind}; the log of the task has its text")


def cause(error: BaseException) -> str:
    """Return the error's text without what Airflow knows to be secret."""
    text = str(redact(str(error) or type(error).__name__))
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}…"


def _parameters(kind: type, base: type) -> set[str]:
    """Return the arguments of the class's own; those that every `base` has (retries, callbacks) are not for steps."""
    own = [each for each in kind.__mro__ if issubclass(each, base) and each is not base]
    found: set[str] = set()
    for each in own:
        if "__init__" in vars(each):
            parameters = inspect.signature(each.__init__).parameters.values()
            named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            found |= {parameter.name for parameter in parameters if parameter.kind in named}
    return found - {"self"}
