from datetime import UTC, datetime
from pathlib import Path

import pytest

from airfreight.artifacts.oci import protocol
from airfreight.artifacts.oci.protocol import Platform, Reference
from airfreight.errors import ArtifactError

INDEX = protocol.read_manifest(
    (Path(__file__).parent / "responses/hub_index.json").read_bytes(), "application/json"
)
CREATED = "org.opencontainers.image.created"


@pytest.mark.parametrize(
    ("repo_url", "host", "repository"),
    [
        ("nginx", "registry-1.docker.io", "library/nginx"),
        ("acme/web", "registry-1.docker.io", "acme/web"),
        ("docker.io/nginx", "registry-1.docker.io", "library/nginx"),
        ("index.docker.io/acme/web", "registry-1.docker.io", "acme/web"),
        ("ghcr.io/acme/web", "ghcr.io", "acme/web"),
        ("localhost:5000/web", "localhost:5000", "web"),
        ("localhost/web", "localhost", "web"),
        ("[::1]:5000/web", "[::1]:5000", "web"),
    ],
)
def test_a_repository_is_found_at_its_host(repo_url, host, repository):
    assert protocol.parse_reference(repo_url) == Reference(host, repository)


@pytest.mark.parametrize(
    "repo_url",
    [
        "",
        "https://ghcr.io/a",
        "ghcr.io/a/../b",
        "ghcr.io/a?x",
        "ghcr.io/a:1",
        "A/b",
        "registry.g\u0130tlab.com/a",
        "gh\u00adcr.io/a",
        "ghcr.io\t/a",
        "robot@ghcr.io/a",
        "ghcr.io:\u0665/a",
    ],
)
def test_what_is_no_repository_is_refused(repo_url):
    with pytest.raises(ArtifactError, match="not an image repository"):
        protocol.parse_reference(repo_url)


def test_a_challenge_keeps_commas_within_quotes():
    challenge = protocol.parse_challenge(
        'Bearer Realm="https://auth.example/token",service=reg, scope="repository:a/b:pull,push"'
    )
    assert challenge.scheme == "bearer"
    assert challenge.parameters == {
        "realm": "https://auth.example/token",
        "service": "reg",
        "scope": "repository:a/b:pull,push",
    }


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ('</v2/a/tags/list?last=z&n=2>; rel="next"', "https://r.example/v2/a/tags/list?last=z&n=2"),
        ("<https://r.example/v2/x>; rel=next", "https://r.example/v2/x"),
        ('</first>; rel="first"', None),
    ],
    ids=["none", "relative", "absolute", "other-relation"],
)
def test_the_next_page_is_read_from_the_link(header, expected):
    assert protocol.next_page(header, "https://r.example/v2/a/tags/list") == expected


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/x",
        "http://r.example/x",
        "//169.254.169.254/x",
        "https://r.example:8443/",
    ],
)
def test_a_next_page_elsewhere_is_refused(target):
    with pytest.raises(ArtifactError, match="another host"):
        protocol.next_page(f'<{target}>; rel="next"', "https://r.example/v2/a/tags/list")


def test_a_next_page_whose_address_is_none_is_refused():
    with pytest.raises(ArtifactError, match=r"^r\.example names a next page by an address that is"):
        protocol.next_page('<http://[x>; rel="next"', "https://r.example/v2/a/tags/list")


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_moment_that_is_none_in_utc_is_none(text):
    assert protocol.read_moment(text) is None


@pytest.mark.parametrize(
    ("platform", "digest"),
    [
        ("linux/amd64", "sha256:" + "b" * 64),
        ("linux/arm64/v8", "sha256:" + "a" * 64),
        ("linux/arm64", None),
        ("windows/amd64", None),
    ],
)
def test_a_platform_is_chosen_by_all_its_parts(platform, digest):
    assert protocol.choose_manifest(INDEX, Platform.parse(platform)) == digest


def test_without_a_platform_the_first_image_is_chosen():
    assert protocol.choose_manifest(INDEX, None) == "sha256:" + "a" * 64


@pytest.mark.parametrize("text", ["linux", "linux/", "a/b/c/d", ""])
def test_a_platform_needs_two_or_three_parts(text):
    with pytest.raises(ArtifactError, match="linux/amd64"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("annotations", "config", "day"),
    [
        ({CREATED: "2026-01-01T00:00:00Z"}, {"created": "2026-01-05T00:00:00Z"}, 1),
        ({"org.label-schema.build-date": "2026-01-02T00:00:00Z"}, {}, 2),
        (
            {},
            {
                "created": "2026-01-03T00:00:00.123456789Z",
                "config": {"Labels": {CREATED: "2026-01-02T00:00:00Z"}},
            },
            3,
        ),
        (
            {CREATED: "yesterday"},
            {
                "created": "1970-01-01T00:00:00Z",
                "config": {"Labels": {CREATED: "2026-01-04T00:00:00Z"}},
            },
            4,
        ),
    ],
    ids=["annotation-wins", "label-schema", "later-is-created", "later-is-label"],
)
def test_when_an_image_was_made(annotations, config, day):
    moment = protocol.created_moment(annotations, config)
    assert moment is not None
    assert moment.replace(microsecond=0) == datetime(2026, 1, day, tzinfo=UTC)


def test_an_image_may_not_say_when_it_was_made():
    assert protocol.created_moment({}, {"created": None, "config": None}) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"[" * 100_000, b'{"mediaType": "text/plain"}']
)
def test_what_is_no_manifest_is_refused(body):
    with pytest.raises(ArtifactError):
        protocol.read_manifest(body, "application/json")
