"""Every exception that Airfreight raises on purpose.

::

    AirfreightError
    ├── LocatedError            what is wrong with a document, with every problem of the load
    │   └── ManifestError
    ├── ExpressionError         an expression or template does not compile or evaluate
    ├── VersionError            a version or a version constraint does not parse
    ├── ArtifactError           a registry or repository did not give what was asked
    │   ├── AuthenticationError     the login was refused
    │   ├── NotFoundError           there is no such repository, tag or file
    │   └── TransientError          worth another try: time-outs, 429, 5xx; may carry `retry_after`
    ├── StepError               what a promotion step may raise; nothing else leaves a step
    │   ├── TerminalStepError       no retry can help
    │   └── RetryableStepError      counts towards the step's error threshold
    ├── RefusedError            a request that the rules forbid: freight not available, forged, ambiguous, unknown
    └── SettingsError           a setting or Connection is missing or unusable

This package's innermost layer: it imports nothing of ours. Exceptions of libraries are caught at the edge where they
arise and raised again as one of these; no message holds a credential.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self


class AirfreightError(Exception):
    """Root of all errors that are raised on purpose."""


@dataclass(frozen=True, order=True)
class Location:
    """A place in a manifest file; `line` and `column` count from 1, as editors do."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One fault of a document: where, in which field, what was expected, what to do.

    `severity` "error" disables what needs the document, "warning" disables nothing.
    `subject` names the resource, such as ``Stage prod``; empty where the file itself is at fault.
    """

    location: Location
    field: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    subject: str = dataclasses.field(default="", compare=False)

    def __str__(self) -> str:
        named = f"{self.field}: " if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.location}: {named}{self.message}{hint}"


class LocatedError(AirfreightError):
    """All problems of one load together, in the order of their places."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.location))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ManifestError(LocatedError):
    """Manifests that cannot be read or mean nothing."""


class ExpressionError(AirfreightError):
    """An expression that does not compile or evaluate.

    :param message: what is wrong, in one sentence.
    :param source: the text of the expression.
    :param offset: index into `source` of the character at fault, or None where it has no place.
    """

    def __init__(self, message: str, source: str = "", offset: int | None = None) -> None:
        self.message = message
        self.source = source
        self.offset = offset
        super().__init__(message if offset is None else f"{message}\n{self.excerpt()}")

    def excerpt(self) -> str:
        """Return the line at fault with a caret under the character at fault."""
        offset = min(self.offset or 0, len(self.source))
        start = self.source.rfind("\n", 0, offset) + 1
        end = self.source.find("\n", offset)
        line = self.source[start : end if end >= 0 else len(self.source)]
        return f"  {line}\n  {' ' * (offset - start)}^"


class VersionError(AirfreightError):
    """A version or constraint that does not parse; `offset` is the place of the fault in `text`."""

    def __init__(self, message: str, text: str = "", offset: int | None = None) -> None:
        self.message = message
        self.text = text
        self.offset = offset
        super().__init__(message)


class ArtifactError(AirfreightError):
    """A registry or repository did not give what was asked."""

    def reworded(self, message: str) -> Self:
        """Return the same error with another message."""
        return type(self)(message)


class AuthenticationError(ArtifactError):
    """The login was refused."""


class NotFoundError(ArtifactError):
    """There is no such repository, tag or file."""


class TransientError(ArtifactError):
    """Worth another try; `retry_after` is the server's own word in seconds, or None."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)

    def reworded(self, message: str) -> Self:
        """Return the same error with another message, and with when to ask again."""
        return type(self)(message, self.retry_after)


class StepError(AirfreightError):
    """What a promotion step may raise."""


class TerminalStepError(StepError):
    """No retry can help: the step ends as Errored, or as Failed where `failed` says so; `output` is its last."""

    def __init__(
        self, message: str, *, failed: bool = False, output: Mapping[str, Any] | None = None
    ) -> None:
        self.failed = failed
        self.output = output
        super().__init__(message)


class RetryableStepError(StepError):
    """Counts towards the step's error threshold, and is tried again below it.

    At the threshold the step ends as Errored, or as Failed where `failed` says so.
    """

    def __init__(self, message: str, *, failed: bool = False) -> None:
        self.failed = failed
        super().__init__(message)


class RefusedError(AirfreightError):
    """A request that the rules forbid; the message says which rule and what to do."""


class SettingsError(AirfreightError):
    """A setting or a Connection is missing or unusable."""
