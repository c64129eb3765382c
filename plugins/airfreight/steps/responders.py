"""Who may answer a step that waits for a person: `approvers` and `responders` (`kargo.md` §2.11).

A task learns two things of whoever answers: the id and the name. So of Kargo's claims only those two can be checked;
who has a role, the deployment says in a setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import Field, model_validator

from airfreight.errors import TerminalStepError
from airfreight.steps.base import StepConfig

_ID = "sub"
_NAME = "preferred_username"

Roles = Mapping[str, tuple[str, ...]]


class Responder(StepConfig):
    """One rule: a claim with its value, or a role."""

    claim: str = ""
    value: str = Field(default="", max_length=1000)
    role: str = ""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Self:
        if bool(self.role) == bool(self.claim or self.value):
            raise ValueError("expected either a role or a claim with its value")
        if self.role:
            return self
        if self.claim not in (_ID, _NAME):
            raise ValueError(
                f"the claim {self.claim!r} cannot be checked: Airflow tells a task only the id ({_ID}) and the "
                f"name ({_NAME}) of who answered; use one of these, or a role"
            )
        if not self.value:
            raise ValueError("expected the claim's value")
        return self

    def fits(self, user_id: str, user_name: str, roles: Roles) -> bool:
        """Say whether this user may answer by this rule."""
        if self.role:
            return user_id in roles.get(self.role, ())
        return self.value == (user_id if self.claim == _ID else user_name)

    def __str__(self) -> str:
        return f"role {self.role}" if self.role else self.value


def check_roles(rules: Iterable[Responder], roles: Roles) -> None:
    """Raise TerminalStepError where a rule names a role that the deployment does not have."""
    for rule in rules:
        if rule.role and rule.role not in roles:
            known = f"there are {', '.join(sorted(roles))}" if roles else "it names none"
            raise TerminalStepError(
                f"nobody has the role {rule.role!r}: the setting [airfreight] roles says who does, and {known}",
                failed=True,
            )


def may_answer(rules: Iterable[Responder], user_id: str, user_name: str, roles: Roles) -> bool:
    """Say whether this user may answer: by any of the rules, or there are none."""
    listed = list(rules)
    return not listed or any(rule.fits(user_id, user_name, roles) for rule in listed)


def asked_users(rules: Iterable[Responder], roles: Roles) -> tuple[str, ...]:
    """Return the ids of all who may answer, so that nobody else is let; empty where an id is not known."""
    ids: list[str] = []
    for rule in rules:
        if rule.claim == _NAME:
            return ()
        ids += roles[rule.role] if rule.role else [rule.value]
    return tuple(dict.fromkeys(ids))
