from __future__ import annotations

import json

import pytest

from airfreight.errors import SettingsError, TerminalStepError
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential
from airfreight.model.promotion import PromotionPhase
from airfreight.runtime.connection_secrets import ConnectionSecrets
from airfreight.runtime.functions import Sources
from tests.runtime.step_kinds import ScriptedStep, World, promotion

PASSWORD = 'hunter"2\\é'
CONNECTIONS = {
    "airfreight_shop_git": Credential("robot", PASSWORD),
    "airfreight_shared_chat": Credential("", "chat-token"),
    "airfreight_shop_empty": None,
    "aws_default": Credential("root", "stolen"),
}


def secret(
    name: str, connection_id: str, cred_type: str = "generic", *, shared: bool = False
) -> RepositoryCredential:
    return RepositoryCredential.model_validate(
        {"name": name, "credType": cred_type, "connectionId": connection_id, "shared": shared}
    )


SECRETS = (
    secret("git", "airfreight_shop_git", "git"),
    secret("chat", "airfreight_shared_chat"),
    secret("shared-git", "airfreight_shared_chat", "git"),
    secret("empty", "airfreight_shop_empty"),
    secret("foreign", "aws_default"),
    secret("lost", "airfreight_shop_lost"),
)


class Deployment:
    """Connections, and which of them were read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.secrets = ConnectionSecrets(ConnectionIds("shop"), SECRETS, self._connection)

    def _connection(self, connection_id: str) -> Credential | None:
        self.read.append(connection_id)
        if connection_id not in CONNECTIONS:
            raise SettingsError(f"there is no usable Connection {connection_id!r}")
        return CONNECTIONS[connection_id]

    def world(self, *kinds: ScriptedStep) -> World:
        sources = Sources(
            secret=self.secrets.own, shared_secret=self.secrets.shared, redact=self.secrets.redact
        )
        return World(kinds, sources=sources)

    def value_of(self, expression: str) -> object:
        step = {"config": {"value": f"${{{{ {expression} }}}}"}}
        ended = self.world().run(promotion(step))
        assert ended.phase is PromotionPhase.SUCCEEDED, ended.message
        return ended.state["step-1"]["value"]


VALUES = {
    "a login": ("secret('git').password", PASSWORD),
    "its user": ("secret('git').username", "robot"),
    "a Secret with a shared Connection": ("secret('chat').password", "chat-token"),
    "a shared one": ("sharedSecret('chat')", {"username": "", "password": "chat-token"}),
    "a Connection without login": ("secret('empty')", {"username": "", "password": ""}),
    "no such Secret": ("secret('gone')", {}),
    "no such shared Secret": ("sharedSecret('gone')", {}),
}


@pytest.mark.parametrize(("expression", "value"), VALUES.values(), ids=VALUES)
def test_a_secret_is_the_login_of_its_connection(expression, value):
    assert Deployment().value_of(expression) == value


@pytest.mark.parametrize("name", ["git", "shared-git", "foreign"])
def test_a_shared_secret_is_generic_and_names_a_shared_connection(name):
    deployment = Deployment()
    assert deployment.value_of(f"sharedSecret('{name}')") == {}
    assert deployment.read == []


REFUSED = {
    "foreign": "project shop may not use Connection 'aws_default'",
    "lost": "there is no usable Connection 'airfreight_shop_lost'",
}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items(), ids=REFUSED)
def test_a_secret_that_cannot_be_read_errs_the_step_and_says_why(name, reason):
    deployment = Deployment()
    step = {"config": {"value": f"${{{{ secret('{name}').password }}}}"}}
    ended = deployment.world().run(promotion(step))
    assert ended.phase is PromotionPhase.ERRORED
    assert f"secret {name!r}: {reason}" in ended.message
    assert "aws_default" not in deployment.read


def test_a_connection_is_read_once_in_a_promotion():
    deployment = Deployment()
    deployment.value_of("secret('git').password + secret('git').username")
    assert deployment.read == ["airfreight_shop_git"]


def test_what_a_password_looks_like_is_not_evaluated_again():
    hostile = Credential("", "${{ secret('git').password }}")
    secrets = ConnectionSecrets(ConnectionIds("shop"), SECRETS, lambda _: hostile)
    world = World(sources=Sources(secret=secrets.own))
    ended = world.run(promotion({"config": {"value": "${{ secret('chat').password }}"}}))
    assert ended.state["step-1"] == {"value": hostile.password}


LEAKS = {
    "a condition": {"if": "${{ secret('git').password }}"},
    "a failed conversion": {"config": {"v": "${{ int(secret('git').password) }}"}},
    "a version": {"config": {"v": "${{ semverParse(secret('git').password) }}"}},
    "a pattern": {"config": {"v": "${{ 'a' matches ('(' + secret('git').password) }}"}},
    "a date": {"config": {"v": "${{ date(secret('git').password) }}"}},
    "a variable": {
        "vars": [{"name": "v", "value": "${{ fromJSON(secret('git').password) }}"}],
        "config": {},
    },
    "a config of the wrong type": {
        "uses": "typed",
        "config": {"repoURL": "x", "depth": "${{ secret('git').password }}"},
    },
}


NUMBERS = {"leading zeros": "0012345", "an exponent": "12345e2", "an underscore": "0x_1Fp4"}


@pytest.mark.parametrize("password", NUMBERS.values(), ids=NUMBERS)
def test_a_password_that_a_template_makes_a_number_is_not_shown_as_that(password):
    secrets = ConnectionSecrets(ConnectionIds("shop"), SECRETS, lambda _: Credential("", password))
    world = World(sources=Sources(secret=secrets.own, redact=secrets.redact))
    config = {"repoURL": "${{ secret('git').password }}"}
    ended = world.run(promotion({"uses": "typed", "config": config}))
    assert ended.message == "invalid typed config: repoURL: expected a string, found a number: ***"


def test_a_password_at_the_edge_of_what_a_message_shows_is_not_cut_in_two():
    """Guard: `_fault` of the attempt redacts before it cuts."""
    world = Deployment().world()
    for padding in range(330, 400):
        depth = f"${{{{ quote(repeat('x', {padding}) + secret('chat').password) }}}}"
        config = {"repoURL": "x", "depth": depth}
        message = world.run(promotion({"uses": "typed", "config": config})).message
        assert "xc" not in message


@pytest.mark.parametrize("step", LEAKS.values(), ids=LEAKS)
def test_no_message_of_an_expression_shows_a_password(step):
    world = Deployment().world()
    ended = world.run(promotion(step))
    assert ended.phase in (PromotionPhase.ERRORED, PromotionPhase.FAILED)
    assert_hidden(world)


@pytest.mark.parametrize("spelt", [str, repr, json.dumps, lambda text: f"https://x:{text}@host"])
def test_no_message_of_a_step_shows_a_password(spelt):
    error = TerminalStepError(f"the server said {spelt(PASSWORD)}")
    world = Deployment().world(ScriptedStep(error))
    step = {"uses": "scripted", "config": {"token": "${{ secret('git').password }}"}}
    ended = world.run(promotion(step))
    assert "the server said" in ended.message
    assert "***" in ended.message
    assert_hidden(world)


def assert_hidden(world: World) -> None:
    said = [message for _, _, message in world.groups]
    said += [status.message for status in world.changes]
    said += [step.message for status in world.changes for step in status.executions]
    assert any(said)
    assert not any("hunter" in message for message in said)


def test_a_secret_in_cluster_is_a_shared_one_and_none_of_the_projects() -> None:
    known = [
        secret("chat", "airfreight_shared_chat", shared=True),
        secret("git", "airfreight_shared_chat", "git", shared=True),
        secret("git", "airfreight_shop_git", "git"),
    ]
    secrets = ConnectionSecrets(ConnectionIds("shop"), known, CONNECTIONS.get)
    assert secrets.own("chat") == {}
    assert secrets.own("git")["username"] == "robot"
    assert secrets.shared("chat") == {"username": "", "password": "chat-token"}
    assert secrets.shared("git") == {}
