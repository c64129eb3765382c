from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.errors import RetryableStepError, StepError, TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepResult
from airfreight.steps.oci_download import OciDownloadConfig, OciDownloadStep
from tests.registry_server import INDEX, DebianRegistry
from tests.steps.examples import example_config
from tests.steps.oci import (
    CHART,
    IMAGE,
    LAYER,
    USER,
    Answer,
    Scripted,
    context,
    described,
    digest_of,
    image,
    push_image,
    push_index,
    scripted,
)

FIRST, CHART_LAYER = b"first layer", b"chart layer"


@pytest.fixture(scope="module")
def registry() -> Iterator[DebianRegistry]:
    with DebianRegistry(USER) as running:
        push_image(running, "acme/web", "1.0", FIRST, CHART_LAYER)
        push_image(running, "charts/shop", "1.4.0", FIRST, CHART_LAYER)
        push_index(running, "acme/web", "many")
        yield running


@pytest.fixture
def script() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


def download(
    root: Path, host: str, reference: str, *, most: int = 2**20, login: str = "image", **config: Any
) -> StepResult:
    repository = reference.partition("@")[0].partition(":")[0]
    scheme = "oci://" if login == "helm" else ""
    settings = {"imageRef": f"{scheme}{host}/{reference}", "outPath": "out/file", **config}
    known = (login, f"{scheme}{host}/{repository}")
    return OciDownloadStep(most).run(
        OciDownloadConfig.model_validate(settings), context(root, known)
    )


@pytest.mark.parametrize(
    ("reference", "config", "content"),
    [
        ("acme/web:1.0", {}, FIRST),
        ("acme/web:1.0", {"mediaType": CHART}, CHART_LAYER),
        ("acme/web:many", {}, b"amd64" * 100),
        ("charts/shop:1.4.0", {"login": "helm", "mediaType": CHART}, CHART_LAYER),
    ],
    ids=["the-first-layer", "by-media-type", "of-an-index-linux-amd64", "with-a-login-for-charts"],
)
def test_a_layer_becomes_a_file_for_its_owner_only(
    registry: DebianRegistry, tmp_path: Path, reference: str, config: dict[str, Any], content: bytes
):
    result = download(tmp_path, registry.host, reference, **config)
    assert (result.status, result.output) == (StepStatus.SUCCEEDED, None)
    file = tmp_path / "out/file"
    assert file.read_bytes() == content
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_artifact_is_found_by_its_digest(registry: DebianRegistry, tmp_path: Path):
    digest = digest_of(registry.manifest("acme/web", "1.0"))
    download(tmp_path, registry.host, f"acme/web@{digest}")
    assert (tmp_path / "out/file").read_bytes() == FIRST


def test_a_second_run_needs_the_leave_to_overwrite(registry: DebianRegistry, tmp_path: Path):
    download(tmp_path, registry.host, "acme/web:1.0")
    with pytest.raises(TerminalStepError, match="allowOverwrite is false"):
        download(tmp_path, registry.host, "acme/web:1.0", mediaType=CHART)
    assert (tmp_path / "out/file").read_bytes() == FIRST
    download(tmp_path, registry.host, "acme/web:1.0", mediaType=CHART, allowOverwrite=True)
    assert (tmp_path / "out/file").read_bytes() == CHART_LAYER


@pytest.mark.parametrize(
    ("reference", "config", "error", "message"),
    [
        ("acme/web:2.0", {}, RetryableStepError, "not found"),
        ("acme/none:1.0", {}, RetryableStepError, "not found"),
        ("acme/web:1.0", {"mediaType": "text/x"}, RetryableStepError, f"it has .*{LAYER}"),
        ("acme/web:1.0", {"login": "git"}, RetryableStepError, "make a Connection"),
        ("acme/web:1.0", {"most": 10}, TerminalStepError, "has 11 bytes"),
        ("acme/web:1.0", {"outPath": "../file"}, TerminalStepError, "leads out"),
        ("acme/web:1.0", {"outPath": ".git/config"}, TerminalStepError, "Git's own files"),
        ("acme/web:1.0", {"outPath": "."}, TerminalStepError, "is a folder"),
    ],
    ids=[
        "no-tag",
        "no-repository",
        "no-such-layer",
        "no-login",
        "too-large",
        "outside",
        "git",
        "folder",
    ],
)
def test_what_cannot_be_downloaded_leaves_nothing(
    registry: DebianRegistry,
    tmp_path: Path,
    reference: str,
    config: dict[str, Any],
    error: type[StepError],
    message: str,
):
    with pytest.raises(error, match=message) as caught:
        download(tmp_path, registry.host, reference, **config)
    assert "word" not in str(caught.value)
    assert [place for place in tmp_path.rglob("*") if place.is_file()] == []


LAYERS = [described(FIRST, LAYER)]
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "a blob of another digest": (
        {"/manifests/1": image(b"{}", *LAYERS), digest_of(FIRST): b"other layer"},
        "sent content of sha256",
    ),
    "a blob longer than said": (
        {"/manifests/1": image(b"{}", *LAYERS), digest_of(FIRST): FIRST + b"!"},
        "sent more than 11 bytes",
    ),
    "a digest that is a path": (
        {"/manifests/1": image(b"{}", {**LAYERS[0], "digest": "sha256:../../../../etc/x"})},
        "not a sha256 digest",
    ),
    "a size that is none": (
        {"/manifests/1": image(b"{}", {**LAYERS[0], "size": -1})},
        "without its size",
    ),
    "a media type that is none": (
        {"/manifests/1": image(b"{}", {**LAYERS[0], "mediaType": []})},
        "without its media type",
    ),
    "layers that are no list": (
        {"/manifests/1": {"mediaType": IMAGE, "layers": {}}},
        "layers is not a list",
    ),
    "no layers": ({"/manifests/1": {"mediaType": IMAGE, "layers": None}}, "has no layers"),
    "an oversized manifest": (
        {"/manifests/1": b" " * (4 * 2**20 + 1)},
        "more than 4194304 bytes",
    ),
    "an unknown kind of manifest": ({"/manifests/1": {"mediaType": "text/x"}}, "unknown media"),
    "an index for others": (
        {
            "/manifests/1": {
                "mediaType": INDEX,
                "manifests": [described(b"", IMAGE, platform={"os": "plan9"})],
            }
        },
        "without an entry for linux/amd64",
    ),
    "a redirect to plain nothing": (
        {
            "/manifests/1": image(b"{}", *LAYERS),
            digest_of(FIRST): Answer(307, headers={"Location": "http://[::"}),
        },
        "redirects to an address that is none",
    ),
}


@pytest.mark.parametrize(("contents", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_registry_should_not_send_is_refused(
    script: Scripted, tmp_path: Path, contents: dict[str, Any], message: str
):
    script.serve(contents)
    with pytest.raises(RetryableStepError, match=message):
        download(tmp_path, script.host, "a/b:1")
    assert [place for place in tmp_path.rglob("*") if place.is_file()] == []


def test_an_index_that_lists_itself_through_others_comes_to_an_end(
    script: Scripted, tmp_path: Path
):
    nested: dict[str, Any] = {"mediaType": INDEX, "manifests": []}
    contents: dict[str, Any] = {}
    for _ in range(6):
        script.serve({"x": nested})
        body = script.script("GET", "x").body
        contents[digest_of(body)] = body
        nested = {"mediaType": INDEX, "manifests": [described(body, INDEX)]}
    script.serve({**contents, "/manifests/1": nested})
    with pytest.raises(RetryableStepError, match="more than 4 deep"):
        download(tmp_path, script.host, "a/b:1")


def test_names_and_addresses_in_a_manifest_lead_nowhere(script: Scripted, tmp_path: Path):
    layer = described(
        FIRST,
        LAYER,
        urls=["http://evil.invalid/layer"],
        annotations={"org.opencontainers.image.title": "../../escaped"},
    )
    script.serve({"/manifests/1": image(b"{}", layer), digest_of(FIRST): FIRST})
    download(tmp_path / "work", script.host, "a/b:1")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / "work/out/file"]
    assert [path for _, path, _ in script.seen] == [
        "/v2/a/b/manifests/1",
        f"/v2/a/b/blobs/{digest_of(FIRST)}",
    ]


def basic(script: Scripted, contents: dict[str, Any]) -> None:
    """Serve `contents` to those who log in."""
    script.serve(contents)
    inner, challenge = script.script, Answer(401, headers={"WWW-Authenticate": "Basic realm=x"})

    def answer(method: str, path: str) -> Answer:
        return inner(method, path) if script.seen[-1][2] else challenge

    script.script = answer


def test_storage_on_another_host_does_not_get_the_login(script: Scripted, tmp_path: Path):
    with scripted() as storage:
        storage.serve({"/data": FIRST})
        there = Answer(307, headers={"Location": f"http://{storage.host}/data"})
        basic(script, {"/manifests/1": image(b"{}", *LAYERS), digest_of(FIRST): there})
        download(tmp_path, script.host, "a/b:1")
    assert (tmp_path / "out/file").read_bytes() == FIRST
    assert script.seen[-1][2] is not None
    assert storage.seen == [("GET", "/data", None)]


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://2852039166/"]
)
def test_a_redirect_to_a_link_local_or_metadata_address_ends_the_step(
    script: Scripted, tmp_path: Path, target: str
):
    there = Answer(307, headers={"Location": target})
    script.serve({"/manifests/1": image(b"{}", *LAYERS), digest_of(FIRST): there})
    with pytest.raises(TerminalStepError, match=r"requests there are refused"):
        download(tmp_path, script.host, "a/b:1")


def test_a_token_realm_at_a_metadata_address_ends_the_step(script: Scripted, tmp_path: Path):
    challenge = 'Bearer realm="https://169.254.169.254/token"'
    script.serve({"/manifests/1": Answer(401, headers={"WWW-Authenticate": challenge})})
    with pytest.raises(TerminalStepError, match="requests there are refused"):
        download(tmp_path, script.host, "a/b:1")


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "169.254.169.254", "0.0.0.0:1"])
def test_a_registry_at_a_forbidden_address_is_not_asked(tmp_path: Path, host: str):
    config = OciDownloadConfig(image_ref=f"{host}/a/b:1", out_path="file")
    closed = replace(context(tmp_path), http=partial(guarded_client, allow_loopback=False))
    with pytest.raises(TerminalStepError, match="requests there are refused"):
        OciDownloadStep().run(config, closed)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "Field required"),
        ({"imageRef": "a/b:1"}, "Field required"),
        ({"imageRef": "", "outPath": "x"}, "at least 1 character"),
        ({"imageRef": "a/b:1", "outPath": ""}, "at least 1 character"),
        ({"imageRef": "a/b:1", "outPath": "x", "mediaType": ""}, "at least 1 character"),
        ({"imageRef": "a/b", "outPath": "x"}, "with :tag or @sha256"),
        ({"imageRef": "https://r.example/a/b:1", "outPath": "x"}, "with :tag or @sha256"),
        ({"imageRef": "a/../b:1", "outPath": "x"}, "not an image repository"),
        ({"imageRef": "r.example/A:1", "outPath": "x"}, "not an image repository"),
        ({"imageRef": "a/b@sha256:abc", "outPath": "x"}, "not a sha256 digest"),
        ({"imageRef": "a/b:1?x=y", "outPath": "x"}, "with :tag or @sha256"),
        ({"imageRef": "user:word@r.example/a:1", "outPath": "x"}, "with :tag or @sha256"),
        ({"imageRef": "a/b:1", "outPath": "x", "platform": "linux/arm64"}, "Extra inputs"),
    ],
    ids=[
        "nothing",
        "no-path",
        "empty",
        "empty-path",
        "empty-type",
        "no-tag",
        "scheme",
        "dots",
        "capitals",
        "short-digest",
        "query",
        "login",
        "unknown-field",
    ],
)
def test_a_bad_config_of_oci_download_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        OciDownloadConfig.model_validate(config)


def test_the_example_of_oci_download_gets_a_chart(registry: DebianRegistry, tmp_path: Path):
    config = example_config("oci-download", hosts={"registry.example.com": registry.host})
    known = ("helm", f"oci://{registry.host}/charts/shop")
    OciDownloadStep().run(OciDownloadConfig.model_validate(config), context(tmp_path, known))
    assert (tmp_path / "charts/shop.tgz").read_bytes() == CHART_LAYER
