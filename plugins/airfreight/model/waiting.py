"""What a step waits for that a deployment delivers, and what is delivered; both know nothing of Airflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from airfreight.model.base import Model


class Person(Model):
    """A person has to answer.

    `fields` maps the names of the form's fields to their JSON Schemas. `users` are the ids of those who are asked;
    empty: everybody, and the step refuses whom it must. `fault` says what was wrong with the last answer.
    """

    kind: Literal["person"] = "person"
    subject: str
    display: str = ""
    options: tuple[str, ...]
    fields: dict[str, dict[str, Any]] = Field(default_factory=dict)
    users: tuple[str, ...] = ()
    fault: str = ""

    def redacted(self, redact: Callable[[str], str]) -> Person:
        """Return the same without what `redact` takes out of each text that is shown."""
        texts = {"subject": self.subject, "display": self.display, "fault": self.fault}
        update = {name: redact(text) for name, text in texts.items()}
        return self.model_copy(update={**update, "fields": _mapped(self.fields, redact)})


class Event(Model):
    """Something has to happen elsewhere; `source` names what watches for it."""

    kind: Literal["event"] = "event"
    source: str


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


Wait = Annotated[Person | Event, Field(discriminator="kind")]


@dataclass(frozen=True)
class Answer:
    """What a person chose and filled in; an id of a user is nobody else's, a name may be."""

    option: str
    fields: Mapping[str, Any]
    user_id: str
    user_name: str
    at: datetime


@dataclass(frozen=True)
class Happened:
    """What was waited for happened, or cannot happen any more: which method goes on, with what."""

    method: str
    arguments: Mapping[str, Any]


Delivery = Answer | Happened
