"""What a Connection's fields become for the steps."""

from __future__ import annotations

import json

import pytest

from airfreight.hooks.repository import ConnectionCredentials
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential

URL = "ssh://git@git.example.com/shop/app.git"
SECRET = RepositoryCredential(
    name="app", cred_type="git", connection_id="airfreight_shop_app", repo_url=URL
)


@pytest.mark.parametrize(
    ("fields", "credential"),
    [
        pytest.param(
            {"login": "robot", "password": "hunter2"}, Credential("robot", "hunter2"), id="password"
        ),
        pytest.param(
            {
                "extra": {
                    "private_key": "PRIVATE",
                    "known_hosts": "git.example.com ssh-ed25519 AAAA",
                }
            },
            Credential(
                "", "", ssh_private_key="PRIVATE", known_hosts="git.example.com ssh-ed25519 AAAA"
            ),
            id="SSH",
        ),
        pytest.param(
            {"extra": {"ca_certificate": "PEM", "signing_key": "KEY"}},
            Credential("", "", ca_certificate="PEM", signing_key="KEY"),
            id="authority and signature",
        ),
    ],
)
def test_the_login_of_a_connection_is(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, object], credential: Credential
) -> None:
    text = json.dumps({"conn_type": "generic", **fields})
    monkeypatch.setenv("AIRFLOW_CONN_AIRFREIGHT_SHOP_APP", text)
    found = ConnectionCredentials(ConnectionIds("shop"), [SECRET]).find("git", URL)
    assert found == credential
    assert not any(secret in repr(found) for secret in ("hunter2", "PRIVATE", "KEY"))
