"""moto's server as AWS, for tests. Its ECR gives ``<account>-auth-token``: the account of whoever asks."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

ACCOUNT = "123456789012"  # whose every key is that moto does not know
ECR_TOKEN = f"{ACCOUNT}-auth-token"
OTHER_ACCOUNT = "210987654321"


@contextmanager
def moto_server() -> Iterator[str]:
    """Give the URL of a server that lives as long as the `with` block."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def without_aws() -> dict[str, str]:
    """Return an environment in which boto3 finds nobody: no key, no profile, no machine with a role."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**ours, **nothing, "AWS_EC2_METADATA_DISABLED": "true"}
