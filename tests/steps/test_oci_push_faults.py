"""oci-push and registries that send what they should not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.errors import RetryableStepError, StepError, TerminalStepError
from tests.registry_server import INDEX
from tests.steps.oci import (
    IMAGE,
    LAYER,
    Answer,
    Scripted,
    context,
    described,
    digest_of,
    image,
    push,
    push_with,
    scripted,
)

CONFIG, LAYER_BYTES = b"{}", b"layer"
PLAIN = image(CONFIG, described(LAYER_BYTES, LAYER))
ELSEWHERE = "zzz/other"


@pytest.fixture
def script() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


def accepting(script: Scripted, contents: dict[str, Any], place: str = "/upload") -> None:
    """Serve `contents` below a/b; take whatever is put elsewhere, uploads at `place`."""
    script.serve(contents)
    inner = script.script

    def answer(method: str, path: str) -> Answer:
        if method == "PUT":
            return Answer(201)
        if method == "POST":
            return Answer(202, headers={"Location": place})
        return inner(method, path) if "/a/b/" in path or method == "GET" else Answer(404)

    script.script = answer


def blobs() -> dict[str, Any]:
    return {digest_of(CONFIG): CONFIG, digest_of(LAYER_BYTES): LAYER_BYTES}


def test_a_place_for_uploads_on_another_host_does_not_get_the_login(
    script: Scripted, tmp_path: Path
):
    with scripted() as storage:
        accepting(storage, {})
        accepting(
            script, {"/manifests/1": PLAIN, **blobs()}, place=f"http://{storage.host}/upload?x=1"
        )
        inner, challenge = script.script, Answer(401, headers={"WWW-Authenticate": "Basic realm=x"})
        script.script = lambda method, path: (
            inner(method, path) if script.seen[-1][2] else challenge
        )
        push(tmp_path, f"{script.host}/a/b:1", f"{script.host}/{ELSEWHERE}:1")
    assert {method for method, _, _ in storage.seen} == {"PUT"}
    assert len(storage.seen) == 2
    assert all(login is None for _, _, login in storage.seen)
    assert ("PUT", f"/v2/{ELSEWHERE}/manifests/1") == script.seen[-1][:2]


def test_a_foreign_layer_stays_where_it_is(script: Scripted, tmp_path: Path):
    foreign = described(
        b"secret windows",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        urls=["http://evil.invalid/layer"],
    )
    manifest = image(CONFIG, foreign, described(LAYER_BYTES, LAYER))
    accepting(script, {"/manifests/1": manifest, **blobs()})
    push(tmp_path, f"{script.host}/a/b:1", f"{script.host}/{ELSEWHERE}:1")
    assert not any(foreign["digest"] in path for _, path, _ in script.seen)
    assert any(digest_of(LAYER_BYTES) in path for _, path, _ in script.seen)


def nested(levels: int, width: int) -> dict[str, Any]:
    """Return manifests by path: indexes that list one index many times, so many levels deep."""
    inner: dict[str, Any] = PLAIN
    contents: dict[str, Any] = {}
    for _ in range(levels):
        body = json.dumps(inner).encode()
        contents[f"/manifests/{digest_of(body)}"] = body
        kind = inner["mediaType"]
        inner = {"mediaType": INDEX, "manifests": [described(body, kind)] * width}
    return {**contents, "/manifests/1": inner}


HOSTILE: dict[str, tuple[dict[str, Any], type[StepError], str]] = {
    "an index like a bomb": (nested(4, 200), RetryableStepError, "more than 256 manifests"),
    "a deep index": (nested(6, 1), RetryableStepError, "more than 4 deep"),
    "an oversized manifest": (
        {"/manifests/1": b" " * (4 * 2**20 + 1)},
        RetryableStepError,
        "more than 4194304 bytes",
    ),
    "an entry of another digest": (
        {
            "/manifests/1": {"mediaType": INDEX, "manifests": [described(b"", IMAGE)]},
            digest_of(b""): PLAIN,
        },
        RetryableStepError,
        "sent content of sha256",
    ),
    "an entry that is a path": (
        {
            "/manifests/1": {
                "mediaType": INDEX,
                "manifests": [{**described(b"", IMAGE), "digest": "../../secret"}],
            }
        },
        RetryableStepError,
        "not a sha256 digest",
    ),
    "a config that is a path": (
        {"/manifests/1": {**PLAIN, "config": {**PLAIN["config"], "digest": "sha256:/../x"}}},
        RetryableStepError,
        "not a sha256 digest",
    ),
    "a layer of another digest": (
        {"/manifests/1": PLAIN, **blobs(), digest_of(LAYER_BYTES): b"other"},
        RetryableStepError,
        "sent content of sha256",
    ),
    "a layer longer than said": (
        {"/manifests/1": PLAIN, **blobs(), digest_of(LAYER_BYTES): LAYER_BYTES * 9},
        RetryableStepError,
        "sent more than 5 bytes",
    ),
    "a layer at a metadata address": (
        {
            "/manifests/1": PLAIN,
            digest_of(CONFIG): Answer(307, headers={"Location": "http://169.254.169.254/"}),
        },
        TerminalStepError,
        "requests there are refused",
    ),
    "a manifest list of an unknown kind": (
        {"/manifests/1": {"mediaType": "application/vnd.docker.distribution.manifest.v1+json"}},
        RetryableStepError,
        "unknown media type",
    ),
}


@pytest.mark.parametrize(("contents", "error", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_registry_should_not_send_moves_no_tag(
    script: Scripted,
    tmp_path: Path,
    contents: dict[str, Any],
    error: type[StepError],
    message: str,
):
    accepting(script, contents)
    with pytest.raises(error, match=message):
        push(tmp_path, f"{script.host}/a/b:1", f"{script.host}/{ELSEWHERE}:1")
    assert not any(method == "PUT" and "/manifests/" in path for method, path, _ in script.seen)
    assert len(script.seen) < 20


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("http://169.254.169.254/upload", TerminalStepError, "requests there are refused"),
        ("http://[::", RetryableStepError, "an address that is none"),
        ("file:///etc/passwd", RetryableStepError, "did not answer: UnsupportedProtocol"),
    ],
    ids=["metadata", "no-address", "file"],
)
def test_an_upload_is_not_sent_to_a_forbidden_place(
    script: Scripted, tmp_path: Path, place: str, error: type[StepError], message: str
):
    accepting(script, {"/manifests/1": PLAIN, **blobs()}, place=place)
    with pytest.raises(error, match=message):
        push(tmp_path, f"{script.host}/a/b:1", f"{script.host}/{ELSEWHERE}:1")


def test_a_registry_that_stores_another_digest_than_it_got_is_found_out(
    script: Scripted, tmp_path: Path
):
    accepting(script, {"/manifests/1": PLAIN})
    inner = script.script
    lie = Answer(201, headers={"Docker-Content-Digest": digest_of(b"other")})
    script.script = lambda method, path: lie if method == "PUT" else inner(method, path)
    with pytest.raises(RetryableStepError, match="sent content of sha256"):
        push(tmp_path, f"{script.host}/a/b:1", f"{script.host}/a/b:2")


@pytest.mark.parametrize("host", ["127.0.0.1:1", "169.254.169.254"])
def test_a_registry_at_a_forbidden_address_is_not_asked(tmp_path: Path, host: str):
    closed = replace(context(tmp_path), http=partial(guarded_client, allow_loopback=False))
    with pytest.raises(TerminalStepError, match="requests there are refused"):
        push_with(closed, f"{host}/a/b:1", f"{host}/a/b:2")
