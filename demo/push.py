"""Push a new version of the guestbook to the demo's registry: ``python -m demo.push 1.1.0``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx

from demo.content import is_tag
from demo.guestbook import IMAGE
from demo.images import push_image
from demo.world import REGISTRY_PORT


def main(argv: Sequence[str] | None = None) -> int:
    """Push the tag; exit code 1 where the registry cannot be reached, 2 where the tag is none."""
    parser = argparse.ArgumentParser(prog="python -m demo.push", description=__doc__)
    parser.add_argument("tag")
    parser.add_argument("--registry", default=f"http://127.0.0.1:{REGISTRY_PORT}")
    given = parser.parse_args(argv)
    if not is_tag(given.tag):
        parser.error(
            f"{given.tag!r} is not a tag: letters, digits, '.', '_' and '-', such as 1.1.0"
        )
    try:
        digest = push_image(given.registry, IMAGE, given.tag, created=datetime.now(UTC))
    except httpx.HTTPError as error:
        print(f"cannot push to {given.registry}: {error}; is the demo running (make demo)?")
        return 1
    print(f"pushed {IMAGE}:{given.tag} ({digest})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
