"""Manifests of live tests."""

from __future__ import annotations

OVERLAY = """\
# What Argo CD reads. Kept by hand but for the tag.
spec:
  image:
    repository: guestbook   # never changes
    tag: "0.0.0"  # written by promotions

  replicas: 2
"""


PASSES = """\
      steps:
      - uses: compose-output
        config: {tag: "${{ ctx.targetFreight.alias }}"}"""


def fails(message: str) -> str:
    """Return the template of a promotion that fails with this message."""
    return f"""\
      steps:
      - uses: fail
        config: {{message: {message}}}"""


def marks(name: str) -> str:
    """Return the template of a promotion that tells the barrier ``<name>-<alias>``."""
    return f"""\
      steps:
      - uses: http
        config: {{url: "@BARRIER@/mark/{name}-${{{{ ctx.targetFreight.alias }}}}"}}"""


def project(name: str, policies: str = "") -> str:
    """Return a Project, its ProjectConfig and the login of the Git server."""
    return f"""\
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {{name: {name}}}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: ProjectConfig
metadata: {{name: {name}}}
spec:
  promotionPolicies: [{policies}]
---
apiVersion: v1
kind: Secret
metadata:
  name: git
  labels: {{kargo.akuity.io/cred-type: git}}
  annotations: {{airfreight/connection: airfreight_shared_git}}
stringData:
  repoURL: "@GIT@.*"
  repoURLIsRegex: "true"
"""


def auto(*stages: str) -> str:
    """Return the policies that let these Stages promote by themselves."""
    return ", ".join(f"{{stage: {stage}, autoPromotionEnabled: true}}" for stage in stages)


def warehouse(name: str, repository: str, constraint: str = "^1.0.0") -> str:
    """Return a Warehouse that watches `repository` every 2 s."""
    return f"""\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {{name: {name}}}
spec:
  interval: 2s
  subscriptions:
  - image:
      repoURL: "@REGISTRY@/{repository}"
      constraint: "{constraint}"
"""


def stage(name: str, origins: list[str], sources: str, template: str, annotations: str = "") -> str:
    """Return a Stage; `template` is indented YAML from `spec` of the promotion template on."""
    requested = "\n".join(
        f"  - origin: {{kind: Warehouse, name: {origin}}}\n    sources: {{{sources}}}"
        for origin in origins
    )
    return f"""\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  requestedFreight:
{requested}
  promotionTemplate:
    spec:
{template}
"""


def promote_image(name: str, repository: str, gitops: str) -> str:
    """Return the template that promotes with the seed's ClusterPromotionTask."""
    return f"""\
      vars:
      - {{name: repoURL, value: "@GIT@{gitops}.git"}}
      - {{name: image, value: "@REGISTRY@/{repository}"}}
      - {{name: yamlPath, value: overlays/{name}/image.yaml}}
      steps:
      - task: {{kind: ClusterPromotionTask, name: promote-image-to-git}}
        as: promote"""


def guestbook(project_name: str, repository: str, gitops: str, *, keep: bool = False) -> str:
    """Return the guestbook of the README: dev → staging (soak) → prod (a person)."""
    kept = 'airfreight/keep-requests: "true"' if keep else ""
    parts = [
        project(project_name, auto("dev", "staging")),
        warehouse("guestbook", repository),
        stage("dev", ["guestbook"], "direct: true", promote_image("dev", repository, gitops)),
        stage(
            "staging",
            ["guestbook"],
            "stages: [dev], requiredSoakTime: 10s",
            promote_image("staging", repository, gitops),
        ),
        stage(
            "prod",
            ["guestbook"],
            "stages: [staging]",
            promote_image("prod", repository, gitops),
            kept,
        ),
    ]
    return "".join(parts)
