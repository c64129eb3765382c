from __future__ import annotations

import json
from typing import Any

import pytest

from airfreight.artifacts.oci.descriptors import (
    annotated,
    blobs_of,
    entries_of,
    layers_of,
    runnable_entry,
)
from airfreight.artifacts.oci.protocol import IMAGE_TYPES, INDEX_TYPES, Manifest, read_manifest
from airfreight.errors import ArtifactError

DIGESTS = tuple(f"sha256:{digit * 64}" for digit in "abc")


def manifest(document: dict[str, Any], media_type: str = IMAGE_TYPES[0]) -> Manifest:
    return read_manifest(json.dumps({"mediaType": media_type, **document}, indent=1).encode(), "")


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {"mediaType": IMAGE_TYPES[0], "digest": DIGESTS[number], "size": number, **more}


def index(*entries: dict[str, Any]) -> Manifest:
    return manifest({"manifests": list(entries)}, INDEX_TYPES[0])


def test_the_blobs_of_an_image_are_its_config_and_its_layers():
    image = manifest({"config": entry(0), "layers": [entry(1), entry(2)]})
    assert [blob.digest for blob in blobs_of(image)] == list(DIGESTS)
    assert [blob.digest for blob in layers_of(image)] == list(DIGESTS[1:])
    assert blobs_of(manifest({})) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": None},
        {"size": True},
        {"size": -1},
        {"size": 1.5},
        {"digest": "x"},
        {"mediaType": 1},
    ],
    ids=str,
)
def test_a_descriptor_that_is_none_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ArtifactError):
        entries_of(index(entry(0, **wrong)))


@pytest.mark.parametrize(
    ("platforms", "found"),
    [
        ([{"os": "linux", "architecture": "arm64"}, {"os": "linux", "architecture": "amd64"}], 1),
        ([{"os": "linux", "architecture": "amd64", "variant": "v3"}, None], 0),
        ([{"os": "unknown", "architecture": "unknown"}, None], 1),
        ([{"os": "windows", "architecture": "amd64"}], None),
        ([], None),
    ],
    ids=["amd64", "any-variant", "without-platform", "none", "empty"],
)
def test_the_entry_of_an_index_for_linux_amd64_is_found(
    platforms: list[dict[str, str] | None], found: int | None
):
    entries = [
        entry(place, platform=platform) if platform else entry(place)
        for place, platform in enumerate(platforms)
    ]
    chosen = runnable_entry(index(*entries))
    assert (chosen and chosen.digest) == (None if found is None else DIGESTS[found])


def test_what_is_not_annotated_stays_the_same_to_the_byte():
    image = manifest({"layers": [], "annotations": {"a": "b"}})
    assert annotated(image, {}) is image
    assert annotated(image, {"a": "b"}) is image


def test_an_annotation_changes_the_digest_and_nothing_else():
    image = manifest({"layers": [], "x": {"y": 1.5}, "annotations": {"a": "b"}})
    changed = annotated(image, {"c": "d"})
    assert changed.digest != image.digest
    assert json.loads(changed.body) == {
        **image.document,
        "annotations": {"a": "b", "c": "d"},
    }


def test_an_index_points_to_what_took_the_place_of_its_entries():
    new = manifest({"layers": []})
    changed = annotated(index(entry(0), entry(1, platform={"os": "linux"})), {}, {DIGESTS[1]: new})
    assert changed.document["manifests"] == [
        entry(0),
        {**entry(1, platform={"os": "linux"}), "digest": new.digest, "size": len(new.body)},
    ]
