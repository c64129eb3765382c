from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from demo.content import digest_of
from demo.images import MANIFEST_TYPE, build_image, push_image
from demo.world import World, running_world

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def push(registry: httpx.Client, *tags: str) -> str:
    digests = [
        push_image(str(registry.base_url), "team/guestbook", tag, created=CREATED) for tag in tags
    ]
    return digests[-1]


def test_version_two_is_announced(registry: httpx.Client):
    answer = registry.get("/v2/")
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


def test_a_pushed_image_is_read_back_by_tag_and_by_digest(registry: httpx.Client):
    digest = push(registry, "1.0.0")
    for reference in ("1.0.0", digest):
        answer = registry.get(
            f"/v2/team/guestbook/manifests/{reference}", headers={"Accept": MANIFEST_TYPE}
        )
        assert answer.headers["docker-content-digest"] == digest == digest_of(answer.content)
        assert answer.headers["content-type"] == MANIFEST_TYPE
    config = registry.get(f"/v2/team/guestbook/blobs/{answer.json()['config']['digest']}").json()
    assert config["created"] == "2026-01-02T03:04:05Z"
    layer = answer.json()["layers"][0]
    content = registry.get(f"/v2/team/guestbook/blobs/{layer['digest']}").content
    assert (digest_of(content), len(content)) == (layer["digest"], layer["size"])


def test_head_tells_digest_and_size_without_the_body(registry: httpx.Client):
    digest = push(registry, "1.0.0")
    answer = registry.head("/v2/team/guestbook/manifests/1.0.0", headers={"Accept": MANIFEST_TYPE})
    whole = registry.get(
        f"/v2/team/guestbook/manifests/{digest}", headers={"Accept": MANIFEST_TYPE}
    )
    assert answer.content == b""
    assert answer.headers["docker-content-digest"] == digest
    assert answer.headers["content-length"] == str(len(whole.content))


def test_a_tag_moves_when_it_is_pushed_again(registry: httpx.Client):
    push(registry, "latest")
    digest = push_image(
        str(registry.base_url), "team/guestbook", "latest", created=CREATED + timedelta(days=1)
    )
    answer = registry.head("/v2/team/guestbook/manifests/latest", headers={"Accept": MANIFEST_TYPE})
    assert answer.headers["docker-content-digest"] == digest


def test_tags_come_in_pages_that_link_to_the_next(world: World):
    tags = ["0.9.0", "1.0.0", "1.1.0", "latest", "v2"]
    with httpx.Client(base_url=world.registry_url, trust_env=False) as registry:
        read_in_pages(registry, tags)


def read_in_pages(registry: httpx.Client, tags: list[str]):
    push(registry, *tags)
    seen, url, pages = [], "/v2/team/guestbook/tags/list?n=2", 0
    while url:
        answer = registry.get(url)
        seen += answer.json()["tags"]
        url, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert (seen, pages) == (tags, 3)
    assert registry.get("/v2/team/guestbook/tags/list").json()["tags"] == tags
    after = registry.get("/v2/team/guestbook/tags/list", params={"n": 9, "last": "1.1.0"})
    assert after.json()["tags"] == ["latest", "v2"]
    assert "next" not in after.links


def test_a_blob_may_come_in_chunks(registry: httpx.Client):
    parts = [b"first ", b"second ", b"third"]
    digest = digest_of(b"".join(parts))
    opened = registry.post("/v2/team/guestbook/blobs/uploads/")
    location, sent = urljoin(str(opened.url), opened.headers["location"]), 0
    for part in parts:
        span = f"{sent}-{sent + len(part) - 1}"
        answer = registry.patch(
            location,
            content=part,
            headers={"Content-Range": span, "Content-Type": "application/octet-stream"},
        )
        sent += len(part)
        assert (answer.status_code, answer.headers["range"]) == (202, f"0-{sent - 1}")
        location = urljoin(location, answer.headers["location"])
    closed = registry.put(httpx.URL(location).copy_merge_params({"digest": digest}))
    assert (closed.status_code, closed.headers["docker-content-digest"]) == (201, digest)
    assert registry.get(f"/v2/team/guestbook/blobs/{digest}").content == b"".join(parts)


ABSENT = digest_of(b"absent")
REFUSALS = {
    "unknown repository": ("GET", "/v2/nobody/tags/list", 404, "NAME_UNKNOWN"),
    "unknown tag": ("GET", "/v2/team/guestbook/manifests/9.9", 404, "MANIFEST_UNKNOWN"),
    "unknown digest": ("GET", f"/v2/team/guestbook/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN"),
    "unknown blob": ("GET", f"/v2/team/guestbook/blobs/{ABSENT}", 404, "BLOB_UNKNOWN"),
    "broken manifest": ("PUT", "/v2/team/guestbook/manifests/2.0", 400, "MANIFEST_INVALID"),
}


def test_a_page_size_that_is_no_number_is_refused(world: World):
    push_image(world.registry_url, "guestbook", "1.0.0", created=CREATED)
    answer = httpx.get(f"{world.registry_url}/v2/guestbook/tags/list?n=two", trust_env=False)
    code = answer.json()["errors"][0]["code"]
    assert (answer.status_code, code) == (400, "PAGINATION_NUMBER_INVALID")


@pytest.mark.parametrize(("method", "path", "status", "code"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_wrong_is_said_with_the_specification_s_code(
    registry: httpx.Client, method: str, path: str, status: int, code: str
):
    push(registry, "1.0.0")
    answer = registry.request(method, path, headers={"Content-Type": MANIFEST_TYPE})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_a_manifest_whose_blobs_are_missing_is_refused(registry: httpx.Client):
    image = build_image("team/guestbook", "3.0", CREATED)
    answer = registry.put(
        "/v2/team/guestbook/manifests/3.0",
        content=image.manifest,
        headers={"Content-Type": MANIFEST_TYPE},
    )
    assert answer.is_client_error
    assert "MANIFEST_BLOB_UNKNOWN" in {each["code"] for each in answer.json()["errors"]}


def test_content_that_does_not_have_its_digest_is_refused(registry: httpx.Client):
    opened = registry.post("/v2/team/guestbook/blobs/uploads/")
    location = httpx.URL(urljoin(str(opened.url), opened.headers["location"]))
    answer = registry.put(location.copy_merge_params({"digest": ABSENT}), content=b"other")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert registry.head(f"/v2/team/guestbook/blobs/{ABSENT}").status_code == 404


def test_names_cannot_leave_the_folder(tmp_path: Path):
    with (
        running_world(tmp_path / "w") as world,
        httpx.Client(base_url=world.registry_url) as client,
    ):
        for path in ("/v2/%2e%2e/%2e%2e/tags/list", "/v2/_x/tags/list", "/v2/UP/tags/list"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "NAME_INVALID")
        assert client.get("/v2/a/manifests/..%2f..%2fx").is_client_error


def test_images_outlive_the_server(tmp_path: Path):
    with running_world(tmp_path) as world:
        digest = push_image(world.registry_url, "guestbook", "1.0.0", created=CREATED)
    with running_world(tmp_path) as world:
        answer = httpx.head(f"{world.registry_url}/v2/guestbook/manifests/1.0.0", trust_env=False)
        assert answer.headers["docker-content-digest"] == digest


def test_an_image_is_a_function_of_its_name_and_instant():
    elsewhere = CREATED.astimezone(timezone(timedelta(hours=5)))
    first, second = (build_image("guestbook", "1.0.0", when) for when in (CREATED, elsewhere))
    assert first == second
    assert json.loads(first.manifest)["schemaVersion"] == 2
    assert first != build_image("guestbook", "1.0.0", CREATED + timedelta(seconds=1))
