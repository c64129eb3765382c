"""What the GitOps repositories of docs/examples hold before the first promotion."""

from __future__ import annotations

from pathlib import Path

from tests.chart_repository import write_chart

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: "{image}"}}]}}
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
"""


def kargo_demo(image: str) -> dict[str, str]:
    """Return a base with an overlay for each Stage."""
    files = {
        "base/kustomization.yaml": "resources:\n- deploy.yaml\n",
        "base/deploy.yaml": _DEPLOYMENT.format(name="kargo-demo", image=image),
    }
    for stage in ("test", "uat", "prod"):
        text = f"namespace: kargo-demo-{stage}\nresources:\n- ../../base\n"
        files[f"stages/{stage}/kustomization.yaml"] = text
    return files


def kustomize() -> dict[str, str]:
    """Return a base of two resources, and an overlay with a patch and a generated ConfigMap."""
    return {
        "base/kustomization.yaml": "resources: [deployment.yaml, service.yaml]\n",
        "base/deployment.yaml": _DEPLOYMENT.format(name="shop", image="shop"),
        "base/service.yaml": _SERVICE,
        "overlays/dev/kustomization.yaml": (
            "namespace: shop-dev\n"
            "resources: [../../base]\n"
            "replicas: [{name: shop, count: 2}]\n"
            "configMapGenerator:\n- name: settings\n  literals: [greeting=hello]\n"
        ),
    }


def helm(folder: Path, charts_url: str) -> dict[str, str]:
    """Return an umbrella chart, written in `folder` first, with an old version of its dependency."""
    dependency = {"name": "cache", "version": "1.0.0", "repository": charts_url}
    chart = write_chart(folder, "shop", dependencies=[dependency])
    deployment = _DEPLOYMENT.format(name="shop", image="shop:{{ .Values.image.tag }}")
    (chart / "templates" / "deployment.yaml").write_text(deployment)
    files = {
        f"charts/shop/{file.relative_to(chart)}": file.read_text()
        for file in chart.rglob("*")
        if file.is_file()
    }
    return files | {"values/dev.yaml": "word: for dev\ncache:\n  word: cached\n"}
