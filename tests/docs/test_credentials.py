"""Every Connection of the page on credentials is one that opens what its section is about; its Secrets load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from airflow.sdk import Connection

from airfreight.artifacts.tokens.token import TokenProvider
from airfreight.hooks.repository import fields_of
from airfreight.manifests.project import load_project
from airfreight.runtime.settings import Settings
from airfreight.runtime.token_connections import ConnectionFields, Repository, token_provider
from airfreight.steps.installed import step_registry
from tests.docs.pages import ROOT, Block, blocks, read

PAGE = ROOT / "docs" / "credentials.md"
_PROVIDERS = {
    "Login and password": "NoneType",
    "Amazon ECR": "EcrTokens",
    "Google Artifact Registry": "GoogleTokens",
    "Azure Container Registry": "AcrTokens",
    "GitHub App": "GitHubAppTokens",
}
_OPENED = {
    "Amazon ECR": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web",
    "Google Artifact Registry": "europe-west1-docker.pkg.dev/acme/shop/web",
    "Azure Container Registry": "acme.azurecr.io/shop/web",
}


def _heading(block: Block) -> str:
    """Return the heading that the block stands under."""
    before = PAGE.read_text().splitlines()[: block.line]
    return next(line.lstrip("# ") for line in reversed(before) if re.match("#+ [A-Z]", line))


def _fields(text: str) -> ConnectionFields:
    return fields_of(Connection.from_json(text, conn_id="airfreight_shop_x"))


def _provider(block: Block) -> TokenProvider | None:
    fields, heading = _fields(block.text), _heading(block)
    if heading in _OPENED:
        registry = fields.extra.get("registry")
        opened = Repository("image", f"{registry}/web" if registry else _OPENED[heading], "shop")
    else:
        opened = Repository("git", f"https://{fields.host or 'github.com'}/acme/gitops.git", "shop")
    return token_provider(fields, opened, Settings())


@pytest.mark.parametrize("block", blocks(PAGE, "json"), ids=str)
def test_a_connection_of_the_page_opens_what_its_section_is_about(block: Block) -> None:
    assert type(_provider(block)).__name__ == _PROVIDERS[_heading(block)]


def test_every_section_has_a_connection_and_a_secret() -> None:
    assert {_heading(block) for block in blocks(PAGE, "json")} == set(_PROVIDERS)
    assert {_heading(block) for block in blocks(PAGE, "yaml")} == set(_PROVIDERS)


def test_the_uri_of_the_page_is_the_connection_above_it() -> None:
    (line,) = (text for text in read("docs/credentials.md").splitlines() if "://ci:" in text)
    by_uri = Connection.from_uri(line.partition("=")[2], conn_id="airfreight_shop_x")
    assert fields_of(by_uri) == _fields(blocks(PAGE, "json")[0].text)


def test_the_secrets_of_the_page_load_without_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    secrets = blocks(PAGE, "yaml")
    for number, block in enumerate(secrets):
        (folder / f"{number}.yaml").write_text(block.text)
    project = load_project(tmp_path, "shop", step_registry())
    assert [str(problem) for problem in project.problems] == []
    assert len(project.credentials) == len(secrets)


def test_every_field_that_is_read_is_explained() -> None:
    code = (ROOT / "plugins/airfreight/runtime/token_connections.py").read_text()
    known = set(re.findall(r'(?:text|mapping|extra\.get)\(\s*"(\w+)"', code))
    page = read("docs/credentials.md")
    assert known
    assert {name for name in known if not re.search(rf"\b{name}\b", page)} == set()
