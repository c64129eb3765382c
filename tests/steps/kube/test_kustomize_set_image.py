from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.kustomization import set_images
from airfreight.steps.kustomize_set_image import KustomizeSetImageConfig, KustomizeSetImageStep
from tests.chart_repository import run
from tests.runtime.step_kinds import freight
from tests.steps.examples import example_config
from tests.steps.kube.conftest import Kitchen

DIGEST = f"sha256:{'b' * 64}"
STEP = KustomizeSetImageStep()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({}, "path\n  Field required", id="no-path"),
        pytest.param({"path": ""}, "at least 1 character", id="empty-path"),
        pytest.param({"path": "a", "images": [{}]}, "image\n  Field required", id="no-image"),
        pytest.param(
            {"path": "a", "images": [{"image": "x"}]}, "exactly one of tag and digest", id="neither"
        ),
        pytest.param(
            {"path": "a", "images": [{"image": "x", "tag": "1", "digest": DIGEST}]},
            "exactly one of tag and digest",
            id="both",
        ),
        pytest.param(
            {"path": "a", "images": [{"image": "x", "tag": ""}]},
            "exactly one of tag and digest",
            id="empty-tag",
        ),
        pytest.param({"path": "a", "more": 1}, "Extra inputs", id="unknown"),
    ],
)
def test_a_bad_config_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        KustomizeSetImageConfig.model_validate(config)


ONE = {"name": "web", "newTag": "2"}
BOTH = """\
images:
# the first
- name: api # ours
  newTag: 1.0.0
# the second
- name: web
  newTag: "1" # pinned
last: x
"""


@pytest.mark.parametrize(
    ("before", "targets", "after"),
    [
        pytest.param("", [ONE], "images:\n- name: web\n  newTag: \"2\"\n", id="empty-file"),
        pytest.param(
            "resources: [a] # c", [ONE], 'resources: [a] # c\nimages:\n- name: web\n  newTag: "2"\n',
            id="new-key",
        ),
        pytest.param(
            "a: 1\r\n", [ONE], 'a: 1\r\nimages:\r\n- name: web\r\n  newTag: "2"\r\n', id="crlf"
        ),
        pytest.param("images: []\nb: 1\n", [ONE], 'images:\n- name: web\n  newTag: "2"\nb: 1\n', id="empty-list"),
        pytest.param("images:\nb: 1\n", [ONE], 'images:\n- name: web\n  newTag: "2"\nb: 1\n', id="null"),
        pytest.param("images: [] # c\n", [ONE], 'images: [{"name": "web", "newTag": "2"}] # c\n', id="flow-list"),
        pytest.param("{}\n", [ONE], '{"images": [{"name": "web", "newTag": "2"}]}\n', id="empty-json"),
        pytest.param('{"a": 1}\n', [ONE], '{"a": 1, "images": [{"name": "web", "newTag": "2"}]}\n', id="json"),
        pytest.param(BOTH, [ONE], BOTH.replace('"1"', '"2"'), id="only-the-tag"),
        pytest.param(
            BOTH,
            [{"name": "db", "newTag": "v3"}],
            BOTH.replace("# the second\n", "# the second\n- name: db\n  newTag: v3\n"),
            id="between",
        ),
        pytest.param(
            "images:\n  - name: web\n    newTag: '1'\n    newName: w\n",
            [{"name": "web", "digest": DIGEST}],
            f"images:\n  - name: web\n    digest: {DIGEST}\n",
            id="digest-for-tag",
        ),
        pytest.param(
            "images:\n- {name: web, newTag: '1'} # w\n- {name: api, newTag: '1'} # a\n",
            [{"name": "web", "newTag": "1"}],
            "images:\n- {name: api, newTag: '1'} # a\n- {name: web, newTag: '1'} # w\n",
            id="sorted",
        ),
        pytest.param(
            "images:\n- name: web\n  newName: old\n  newTag: v1\n",
            [{"name": "web", "newName": "*", "newTag": "v2"}],
            "images:\n- name: web\n  newName: old\n  newTag: v2\n",
            id="kept-name",
        ),
        pytest.param(
            "a: 1\n",
            [{"name": "web", "newName": "*", "newTag": "2"}],
            'a: 1\nimages:\n- name: web\n  newTag: "2"\n',
            id="nothing-to-keep",
        ),
    ],
)  # fmt: skip
def test_only_the_images_asked_for_change(before: str, targets: list[dict[str, str]], after: str):
    changed = set_images(before, targets)
    assert changed == after
    assert set_images(changed, targets) == changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- a\n", "no YAML mapping", id="list"),
        pytest.param("images: web\n", "expected a plain list", id="scalar"),
        pytest.param("images: [web]\n", "list of mappings", id="names"),
        pytest.param("images: &a [{name: b}]\nx: *a\n", "plain list", id="anchor"),
        pytest.param("x: &a {name: b}\nimages: [*a]\n", "list of mappings", id="alias"),
        pytest.param("images: []\nimages: []\n", "twice", id="twice"),
        pytest.param("a: 1\n---\nb: 1\n", "more than one YAML document", id="documents"),
        pytest.param("a: [\n", "not valid YAML", id="syntax"),
        pytest.param("a: 1\n...\n", "cannot be changed at their place|not valid|more than one", id="closed"),
    ],
)  # fmt: skip
def test_a_kustomization_that_cannot_be_changed_says_why(text: str, message: str):
    with pytest.raises(TerminalStepError, match=message):
        set_images(text, [ONE])


def test_kustomize_builds_with_the_images_that_were_set(kitchen: Kitchen, home: Any):
    kitchen.write("k/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
                  "spec: {containers: [{name: a, image: nginx:1.0}, {name: b, image: redis}]}\n")  # fmt: skip
    file = kitchen.write("k/kustomization.yaml", "# ours\nresources: [pod.yaml]\n")
    file.chmod(0o640)
    result = kitchen.run(
        STEP,
        path="./k",
        images=[
            {"image": "ghcr.io/acme/nginx", "name": "nginx", "newName": "ghcr.io/acme/nginx", "tag": "1.10"},
            {"image": "redis", "digest": DIGEST},
        ],
    )  # fmt: skip
    built = yaml.safe_load(run("kubectl", "kustomize", str(kitchen.root / "k"), home=home))
    assert [c["image"] for c in built["spec"]["containers"]] == [
        "ghcr.io/acme/nginx:1.10",
        f"redis@{DIGEST}",
    ]
    assert result.output == {
        "commitMessage": "Updated ./k to use new images\n\n"
        f"- ghcr.io/acme/nginx:1.10\n- redis@{DIGEST}"
    }
    assert file.read_text().startswith("# ours\nresources: [pod.yaml]\nimages:\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_without_images_those_of_all_freight_are_set(kitchen: Kitchen):
    kitchen.freight = {
        "Warehouse/a": freight("a", images=[{"repoURL": "web", "tag": "1", "digest": DIGEST}]),
        "Warehouse/b": freight("b", images=[{"repoURL": "api", "tag": "2"}]),
    }
    file = kitchen.write("Kustomization", "images:\n- name: old\n  newTag: x\n")
    result = kitchen.run(STEP, path=".")
    assert yaml.safe_load(file.read_text())["images"] == [
        {"name": "api", "newTag": "2"},
        {"name": "old", "newTag": "x"},
        {"name": "web", "newTag": "1", "digest": DIGEST},
    ]
    assert (result.output or {})["commitMessage"] == (
        f"Updated . to use new images\n\n- api:2\n- old:x\n- web:1@{DIGEST}"
    )
    before = file.stat()
    assert kitchen.run(STEP, path=".") == result
    assert file.stat() == before


def test_no_images_at_all_change_nothing_and_put_nothing_out(kitchen: Kitchen):
    file = kitchen.write("kustomization.yml", "a: 1\n")
    assert kitchen.run(STEP, path=".").output is None
    assert file.read_text() == "a: 1\n"


def test_an_image_that_two_warehouses_have_must_be_named(kitchen: Kitchen):
    image = [{"repoURL": "web", "tag": "1"}]
    kitchen.freight = {name: freight(name, images=image) for name in ("a", "b")}
    kitchen.write("kustomization.yaml", "a: 1\n")
    with pytest.raises(TerminalStepError, match="manual configuration required due to ambiguous"):
        kitchen.run(STEP, path=".")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param([], "could not find any Kustomization files in 'k'", id="none"),
        pytest.param(["kustomization.yaml", "Kustomization"], "found multiple Kustomization files", id="two"),
    ],
)  # fmt: skip
def test_there_must_be_exactly_one_kustomization(kitchen: Kitchen, names: list[str], message: str):
    for name in names:
        kitchen.write(f"k/{name}", "a: 1\n")
    with pytest.raises(TerminalStepError, match=message):
        kitchen.run(STEP, path="k", images=[{"image": "a", "tag": "1"}])


def test_a_kustomization_that_is_a_link_is_none(kitchen: Kitchen, home: Any):
    outside = home / "kustomization.yaml"
    outside.write_text("a: 1\n")
    (kitchen.root / "kustomization.yaml").symlink_to(outside)
    with pytest.raises(TerminalStepError, match="could not find any"):
        kitchen.run(STEP, path=".", images=[{"image": "a", "tag": "1"}])
    assert outside.read_text() == "a: 1\n"


def test_the_example_of_kustomize_set_image_sets_the_freights_tag(kitchen: Kitchen):
    file = kitchen.write("source/overlays/dev/kustomization.yaml", "resources: [../../base]\n")
    kitchen.run(STEP, **example_config("kustomize-set-image"))
    assert yaml.safe_load(file.read_text())["images"] == [
        {"name": "ghcr.io/acme/shop", "newTag": "1.2.3"}
    ]
