"""The Connections of the live tests."""

from __future__ import annotations

import json
from typing import Any

from tests.argocd_server import TOKEN, kubeconfig

# The passwords hold what URL-encoding changes.
SHARED_GIT = {"conn_type": "http", "login": "robot", "password": "t0ken/of+the=robot"}
SHARED_IMAGES = {"conn_type": "http", "login": "puller", "password": "t0ken/of+the=puller"}
SHARED_CHARTS = {"conn_type": "http", "login": "reader", "password": "t0ken/of+the=reader"}
SECRETS = [*(login["password"] for login in (SHARED_GIT, SHARED_IMAGES, SHARED_CHARTS)), TOKEN]


def connections(argocd_url: str) -> dict[str, str]:
    """Return the Connections of the live tests as Airflow reads them from its environment."""
    made: dict[str, Any] = {
        "git": SHARED_GIT,
        "images": SHARED_IMAGES,
        "charts": SHARED_CHARTS,
        "argocd": {"conn_type": "http", "host": argocd_url, "password": TOKEN},
        "cluster": {
            "conn_type": "kubernetes",
            "extra": {"kube_config": kubeconfig(argocd_url, token=TOKEN)},
        },
    }
    return {
        f"AIRFLOW_CONN_AIRFREIGHT_SHARED_{name.upper()}": json.dumps(connection)
        for name, connection in made.items()
    }
