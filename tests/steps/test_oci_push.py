from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RefusedError, RetryableStepError, TerminalStepError
from airfreight.steps.oci_download import OciDownloadConfig, OciDownloadStep
from airfreight.steps.oci_push import OciPushConfig, OciPushStep
from tests.registry_server import DebianRegistry
from tests.steps.examples import example_config
from tests.steps.oci import (
    USER,
    context,
    digest_of,
    opened,
    push,
    push_image,
    push_index,
    push_with,
)
from tests.token_server import TokenServer

# The first is sent in more than one piece.
LAYERS = (b"first layer" * 250_000, b"chart layer" * 100)


@dataclass(frozen=True)
class Registries:
    """One that asks for a password, and one that asks for tokens; artifacts are in the first."""

    basic: DebianRegistry
    token: DebianRegistry
    tokens: TokenServer


@pytest.fixture(scope="module")
def registries() -> Iterator[Registries]:
    with (
        TokenServer(USER) as tokens,
        DebianRegistry(USER) as basic,
        DebianRegistry(tokens=tokens) as token,
    ):
        push_image(basic, "acme/web", "1.0", *LAYERS)
        push_index(basic, "acme/web", "many")
        yield Registries(basic, token, tokens)


def test_a_tag_in_the_same_repository_sends_a_manifest_and_nothing_else(
    registries: Registries, tmp_path: Path
):
    registry = registries.basic
    source, target = f"{registry.host}/acme/web:1.0", f"{registry.host}/acme/web:stable"
    before = registry.writes("acme/web")
    output = push(tmp_path, source, target)
    body = registry.manifest("acme/web", "1.0")
    assert output == {"image": target, "digest": digest_of(body), "tag": "stable"}
    assert registry.manifest("acme/web", "stable") == body
    assert registry.writes("acme/web") - before == 1


def test_a_second_run_changes_nothing_and_gives_the_same_output(
    registries: Registries, tmp_path: Path
):
    registry = registries.basic
    source, target = f"{registry.host}/acme/web:many", f"{registry.host}/acme/again:many"
    annotations = {"a": "b", "index:c": "d"}
    first = push(tmp_path, source, target, annotations=annotations)
    before = registry.writes("acme/again")
    asked: list[str] = []
    fenced = replace(opened(tmp_path, source, target), check_fence=lambda: asked.append("fence"))
    assert push_with(fenced, source, target, annotations=annotations) == first
    assert (registry.writes("acme/again") - before, asked) == (0, [])


def test_another_repository_of_the_registry_gets_the_layers_by_mounting(
    registries: Registries, tmp_path: Path
):
    registry = registries.basic
    digest = digest_of(registry.manifest("acme/web", "1.0"))
    target = f"{registry.host}/prod/web:1.0"
    push(tmp_path, f"{registry.host}/acme/web@{digest}", target)
    assert [registry.blob("prod/web", digest_of(layer)) for layer in LAYERS] == list(LAYERS)
    # Three mounts are a POST each; an upload would be two requests.
    assert registry.writes("prod/web", "blobs/") == 3


@pytest.mark.parametrize("scheme", ["", "oci://"], ids=["image", "chart"])
def test_another_registry_gets_layers_and_manifest_with_its_own_login(
    registries: Registries, tmp_path: Path, scheme: str
):
    repository = f"copies/{scheme.removesuffix('://') or 'image'}"
    source = f"{scheme}{registries.basic.host}/acme/web:1.0"
    target = f"{scheme}{registries.token.host}/{repository}:1.0"
    registries.tokens.scopes.clear()
    output = push(tmp_path, source, target)
    body = registries.basic.manifest("acme/web", "1.0")
    assert output == {
        "image": target.removeprefix(scheme),
        "digest": digest_of(body),
        "tag": "1.0",
    }
    assert registries.token.manifest(repository, "1.0") == body
    assert [registries.token.blob(repository, digest_of(one)) for one in LAYERS] == list(LAYERS)
    assert registries.tokens.scopes[0][0] == f"repository:{repository}:pull,push"


def test_a_registry_with_tokens_mounts_with_the_right_to_read_the_other_repository(
    registries: Registries, tmp_path: Path
):
    host = registries.token.host
    push(tmp_path, f"{registries.basic.host}/acme/web:1.0", f"{host}/left/web:1.0")
    push(tmp_path, f"{host}/left/web:1.0", f"{host}/right/web:1.0")
    assert registries.token.blob("right/web", digest_of(LAYERS[0])) == LAYERS[0]
    assert registries.token.writes("right/web", "blobs/uploads/[^?]") == 0


def test_what_was_pushed_is_downloaded_from_a_registry_with_tokens(
    registries: Registries, tmp_path: Path
):
    target = f"{registries.token.host}/round/web:1.0"
    push(tmp_path, f"{registries.basic.host}/acme/web:1.0", target)
    registries.tokens.scopes.clear()
    config = OciDownloadConfig.model_validate(
        {"imageRef": target, "outPath": "layer", "insecureSkipTLSVerify": True}
    )
    OciDownloadStep().run(config, opened(tmp_path, target))
    assert (tmp_path / "layer").read_bytes() == LAYERS[0]
    assert [scope for scopes in registries.tokens.scopes for scope in scopes] == [
        "repository:round/web:pull"
    ]


def test_an_index_comes_with_all_that_it_lists(registries: Registries, tmp_path: Path):
    source = f"{registries.basic.host}/acme/web:many"
    push(tmp_path, source, f"{registries.token.host}/copies/many:1")
    body = registries.token.manifest("copies/many", "1")
    assert body == registries.basic.manifest("acme/web", "many")
    for entry in json.loads(body)["manifests"]:
        listed = json.loads(registries.token.manifest("copies/many", entry["digest"]))
        assert registries.token.blob("copies/many", listed["layers"][0]["digest"])


@pytest.mark.parametrize(
    ("annotations", "on_index", "on_images"),
    [
        ({"index:a": "1"}, {"a": "1"}, None),
        ({"manifest:a": "1"}, None, {"a": "1"}),
        ({"a": "1"}, None, {"a": "1"}),
        ({"index:a": "1", "a": "2", "manifest:b": "ü<"}, {"a": "1"}, {"a": "2", "b": "ü<"}),
    ],
    ids=["index", "manifest", "no-scope", "all"],
)
def test_annotations_of_an_index_go_where_their_scope_says(
    registries: Registries,
    tmp_path: Path,
    annotations: dict[str, str],
    on_index: dict[str, str] | None,
    on_images: dict[str, str] | None,
):
    host = registries.basic.host
    output = push(
        tmp_path, f"{host}/acme/web:many", f"{host}/acme/web:noted", annotations=annotations
    )
    body = registries.basic.manifest("acme/web", "noted")
    assert output["digest"] == digest_of(body)
    index = json.loads(body)
    assert index.get("annotations") == on_index
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["arm64", "amd64"]
    for entry in index["manifests"]:
        listed = registries.basic.manifest("acme/web", entry["digest"])
        assert len(listed) == entry["size"]
        assert json.loads(listed).get("annotations") == on_images


def test_annotations_of_an_image_are_added_to_its_own(registries: Registries, tmp_path: Path):
    registry = registries.basic
    source, noted = f"{registry.host}/acme/web:1.0", f"{registry.host}/acme/web:noted-1"
    push(tmp_path, source, noted, annotations={"a": "1", "b": "1"})
    target = f"{registry.host}/acme/web:noted-2"
    push(tmp_path, noted, target, annotations={"manifest:b": "2", "index:c": "3"})
    manifest = json.loads(registry.manifest("acme/web", "noted-2"))
    assert manifest["annotations"] == {"a": "1", "b": "2"}
    plain = json.loads(registry.manifest("acme/web", "1.0"))
    assert {**manifest, "annotations": None} == {**plain, "annotations": None}


@pytest.mark.parametrize(
    ("most", "repository", "message"),
    [
        (0, "sized/a", "is off"),
        (100, "sized/a", "at most 100 are pushed"),
        (2**30, "sized/a", None),
        (-1, "sized/b", None),
        (0, "acme/web", None),
        (100, "acme/web", None),
    ],
    ids=["none-allowed", "too-large", "fits", "no-limit", "none-but-same", "large-but-same"],
)
def test_the_size_of_what_goes_to_another_repository_is_limited(
    registries: Registries, tmp_path: Path, most: int, repository: str, message: str | None
):
    host = registries.basic.host
    source, target = f"{host}/acme/web:1.0", f"{host}/{repository}:sized"
    limited = opened(tmp_path, source, target, max_oci_push_artifact_size=most)
    if message is None:
        assert push_with(limited, source, target)["tag"] == "sized"
        return
    with pytest.raises(TerminalStepError, match=message):
        push_with(limited, source, target)
    assert registries.basic.writes(repository) == 0


def test_the_fence_is_asked_right_before_the_tag_moves_and_a_later_run_goes_on_from_there(
    registries: Registries, tmp_path: Path
):
    source = f"{registries.basic.host}/acme/web:1.0"
    target = f"{registries.token.host}/fenced/web:1.0"

    def refuse() -> None:
        assert registries.token.blob("fenced/web", digest_of(LAYERS[1])) == LAYERS[1]
        raise RefusedError("another process promotes")

    fenced = replace(opened(tmp_path, source, target), check_fence=refuse)
    with pytest.raises(RefusedError, match="another process promotes"):
        push_with(fenced, source, target)
    assert registries.token.writes("fenced/web", "manifests/") == 0
    sent = registries.token.writes("fenced/web", "blobs/")
    push(tmp_path, source, target)
    assert registries.token.writes("fenced/web", "manifests/") == 1
    assert registries.token.writes("fenced/web", "blobs/") == sent


@pytest.mark.parametrize(
    ("source", "logins", "message"),
    [
        ("acme/web:none", True, "not found"),
        ("acme/web:1.0", False, "make a Connection for it"),
    ],
    ids=["no-tag", "no-login"],
)
def test_what_a_registry_does_not_give_may_be_tried_again(
    registries: Registries, tmp_path: Path, source: str, logins: bool, message: str
):
    reference = f"{registries.basic.host}/{source}"
    target = f"{registries.token.host}/failed/web:1"
    known = [reference, target] if logins else []
    with pytest.raises(RetryableStepError, match=message):
        push_with(opened(tmp_path, *known), reference, target)
    assert registries.token.writes("failed/web") == 0


def test_a_refused_token_is_said_without_the_password(registries: Registries, tmp_path: Path):
    source = f"{registries.basic.host}/acme/web:1.0"
    target = f"{registries.token.host}/refused/web:1"
    with pytest.raises(RetryableStepError, match="refused the login") as caught:
        push_with(opened(tmp_path, source), source, target)
    assert "word" not in str(caught.value)


def test_a_certificate_is_checked_unless_the_config_says_otherwise(
    registries: Registries, tmp_path: Path
):
    source = f"{registries.basic.host}/acme/web:1.0"
    target = f"{registries.token.host}/checked/web:1"
    with pytest.raises(
        RetryableStepError, match="has a certificate that is not trusted: self-signed certificate"
    ):
        push(tmp_path, source, target, insecureSkipTLSVerify=False)


def test_a_private_authority_is_trusted_where_the_connection_names_it(
    registries: Registries, tmp_path: Path
):
    source = f"{registries.basic.host}/acme/web:1.0"
    target = f"{registries.token.host}/trusted/web:1"
    logins = opened(tmp_path, source, target).credentials
    authority = registries.tokens.certificate.decode()
    trusting = replace(context(tmp_path), credentials=replace(logins, authority=authority))
    assert push_with(trusting, source, target, insecureSkipTLSVerify=False)["tag"] == "1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"srcRef": None}, "Field required"),
        ({"destRef": None}, "Field required"),
        ({"srcRef": ""}, "at least 1 character"),
        ({"srcRef": "a/b"}, "with :tag or @sha256"),
        ({"srcRef": f"a/b:1@sha256:{'a' * 64}"}, "with :tag or @sha256"),
        ({"srcRef": "http://r.example/a/b:1"}, "with :tag or @sha256"),
        ({"destRef": f"a/b@sha256:{'a' * 64}"}, "expected a tag"),
        ({"destRef": "a/b"}, "with :tag or @sha256"),
        ({"destRef": "r.example/a/../b:1"}, "not an image repository"),
        ({"destRef": "a/b:" + "t" * 129}, "with :tag or @sha256"),
        ({"annotations": {"a": 1}}, "valid string"),
        ({"annotations": ["a"]}, "valid dictionary"),
        ({"imageRef": "a/b:1"}, "Extra inputs"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_a_bad_config_of_oci_push_is_refused(changes: dict[str, Any], message: str):
    given = {"srcRef": "a/b:1", "destRef": "a/b:2", **changes}
    config = {key: value for key, value in given.items() if value is not None}
    with pytest.raises(ValidationError, match=message):
        OciPushConfig.model_validate(config)


@pytest.mark.parametrize(
    ("reference", "kind", "url"),
    [
        ("nginx:1", "image", "index.docker.io/library/nginx"),
        ("docker.io/acme/web:1", "image", "index.docker.io/acme/web"),
        ("r.example:5000/a:1", "image", "r.example:5000/a"),
        ("oci://r.example/charts/a:1", "helm", "oci://r.example/charts/a"),
    ],
)
def test_the_login_is_looked_up_by_the_repository_as_kargo_spells_it(
    tmp_path: Path, reference: str, kind: str, url: str
):
    asked = context(tmp_path)

    def nobody(**_: Any) -> Any:
        raise TerminalStepError("no network here")

    with pytest.raises(TerminalStepError, match="no network here"):
        push_with(replace(asked, http=nobody), reference, "r.example/x:1")
    assert asked.credentials.asked == [(kind, url)]  # type: ignore[attr-defined]


def test_the_example_of_oci_push_tags_an_image_for_production(
    registries: Registries, tmp_path: Path
):
    digest = push_image(registries.basic, "acme/shop", "1.2.3", b"shop")
    hosts = {
        "ghcr.io": registries.basic.host,
        "registry.example.com": registries.basic.host,
        f"sha256:{'a' * 64}": digest,
    }
    config = OciPushConfig.model_validate(example_config("oci-push", hosts=hosts))
    assert config.src_ref.endswith(f"/acme/shop@{digest}")
    result = OciPushStep().run(config, opened(tmp_path, config.src_ref, config.dest_ref))
    assert result.output is not None
    body = registries.basic.manifest("prod/shop", "1.2.3")
    assert result.output["digest"] == digest_of(body)
    assert json.loads(body)["annotations"] == {"io.example.promotion": "dev.01j.abcdefg"}
