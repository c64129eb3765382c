"""The Connections of the live tests."""

from __future__ import annotations

import json

from tests.argocd_server import TOKEN
from tests.aws import ECR_TOKEN

# The passwords hold what URL-encoding changes.
SHARED_GIT = {"conn_type": "http", "login": "robot", "password": "t0ken/of+the=robot"}
SHARED_IMAGES = {"conn_type": "http", "login": "puller", "password": "t0ken/of+the=puller"}
SHARED_CHARTS = {"conn_type": "http", "login": "reader", "password": "t0ken/of+the=reader"}
STORY_AWS = {"conn_type": "aws", "login": "AKIASTORY", "password": "s3cret/of+the=story"}
STORY_GITLAB = {"conn_type": "http", "login": "oauth2", "password": "glpat/of+the=story"}
STORY_CHARTS = {"conn_type": "http", "login": "packer", "password": "t0ken/of+the=packer"}
_LOGINS = (SHARED_GIT, SHARED_IMAGES, SHARED_CHARTS, STORY_AWS, STORY_GITLAB, STORY_CHARTS)
# The last one is what ECR gives, as moto has it.
SECRETS = [*(login["password"] for login in _LOGINS), TOKEN, ECR_TOKEN]


def connections() -> dict[str, str]:
    """Return the Connections of the live tests as Airflow reads them from its environment."""
    made = {"git": SHARED_GIT, "images": SHARED_IMAGES, "charts": SHARED_CHARTS}
    return {
        f"AIRFLOW_CONN_AIRFREIGHT_SHARED_{name.upper()}": json.dumps(connection)
        for name, connection in made.items()
    }
