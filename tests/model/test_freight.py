import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from airfreight.errors import RefusedError
from airfreight.model.freight import (
    ChartArtifact,
    Freight,
    FreightContent,
    FreightOrigin,
    GenericArtifact,
    GitCommit,
    ImageArtifact,
    freight_id,
)

ROWS = json.loads((Path(__file__).parents[1] / "conformance/freight_id.json").read_text())["cases"]
GUESTBOOK = FreightOrigin(name="guestbook")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"][:12])
def test_a_freight_has_the_name_that_kargo_gives_it(row):
    assert FreightContent.model_validate(row["freight"]).name == row["id"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (
            FreightContent(
                origin=FreightOrigin(name="kargo-demo"),
                images=(
                    ImageArtifact(
                        repo_url="public.ecr.aws/nginx/nginx",
                        tag="1.29.0",
                        digest="sha256:" + "a" * 64,
                    ),
                ),
            ),
            "22e5b0894efabcb9ae28f7c1531110f21aef2343",
        ),
        (
            FreightContent(
                origin=GUESTBOOK,
                commits=(GitCommit(repo_url="https://GitHub.com/Example/Repo.git", id="1" * 40),),
                images=(
                    ImageArtifact(
                        repo_url="ghcr.io/example/app", tag="v1.2.3", digest="sha256:" + "b" * 64
                    ),
                ),
                charts=(
                    ChartArtifact(repo_url="oci://ghcr.io/example/charts/app", version="0.1.0"),
                ),
            ),
            "7872fc6d4ad4ac0e39dea8f93d22c5b0172077a5",
        ),
        (
            FreightContent(
                origin=GUESTBOOK,
                commits=(
                    GitCommit(
                        repo_url="https://github.com/example/repo",
                        tag="v1.0.0",
                        id="1" * 40,
                        subscription_name="my-git",
                    ),
                ),
            ),
            "8eef68a1ee285e1b96268f93f227429657316471",
        ),
        (
            FreightContent(
                origin=GUESTBOOK,
                charts=(
                    ChartArtifact(
                        repo_url="https://charts.example.com", name="app", version="1.2.3"
                    ),
                ),
            ),
            "e241dea76e5de490ad1da678fef43cbfc15667e3",
        ),
    ],
    ids=["image", "commit-image-chart", "tagged-commit", "classic-chart"],
)
def test_golden_vectors_of_the_freight_name(content, name):
    assert freight_id(content) == name


def web_freight(**changes) -> Freight:
    image = ImageArtifact(
        repo_url="ghcr.io/acme/web",
        tag="1.2.3",
        digest="sha256:" + "b" * 64,
        annotations={"org.opencontainers.image.revision": "abc"},
    )
    content = FreightContent(origin=FreightOrigin(name="web"), images=(image,))
    fields = {"name": content.name, "alias": "kind-otter", "content": content}
    return Freight(**{"discovered_at": NOON, **fields, **changes})


def test_the_json_of_a_freight_is_kargos():
    freight = web_freight()
    assert freight.to_json() == {
        "name": freight.name,
        "alias": "kind-otter",
        "discoveredAt": "2026-03-01T12:00:00Z",
        "origin": {"kind": "Warehouse", "name": "web"},
        "images": [
            {
                "repoURL": "ghcr.io/acme/web",
                "tag": "1.2.3",
                "digest": "sha256:" + "b" * 64,
                "annotations": {"org.opencontainers.image.revision": "abc"},
            }
        ],
    }


def test_a_freight_survives_json():
    freight = web_freight()
    assert Freight.from_json(json.loads(json.dumps(freight.to_json()))) == freight


@pytest.mark.parametrize("value", [False, 0, "", {"nested": [1]}, None])
def test_metadata_of_generic_artifacts_survives_json(value):
    artifact = GenericArtifact(
        artifact_type="raw", subscription_name="s", version="1", metadata=value
    )
    content = FreightContent(origin=GUESTBOOK, artifacts=(artifact,))
    again = FreightContent.model_validate_json(content.model_dump_json(by_alias=True))
    assert again == content


@pytest.mark.parametrize(
    "forge",
    [
        lambda document: document.update(name="0" * 40),
        lambda document: document.pop("name"),
        lambda document: document["images"][0].update(tag="6.6.6"),
        lambda document: document["origin"].update(name="other"),
        lambda document: document.update(content={"origin": document["origin"]}),
    ],
    ids=["other-name", "no-name", "other-tag", "other-origin", "nested-content"],
)
def test_a_freight_whose_name_does_not_fit_is_refused(forge):
    document = web_freight().to_json()
    forge(document)
    with pytest.raises(RefusedError):
        Freight.from_json(document)


def test_null_lists_are_read_as_absent():
    document = web_freight().to_json()
    assert Freight.from_json({**document, "charts": None, "commits": None}) == web_freight()


def test_the_moment_of_discovery_is_kept_in_utc():
    moment = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert web_freight(discovered_at=moment).discovered_at.isoformat() == NOON.isoformat()


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValidationError, match="timezone"):
        web_freight(discovered_at=NOON.replace(tzinfo=None))


def test_the_key_of_an_origin_names_its_kind():
    assert GUESTBOOK.key == "Warehouse/guestbook"
