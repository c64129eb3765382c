"""The time of one yaml-update in a values file of 5 MB, beside a round trip of ruamel.yaml and PyYAML's load and dump.

`uv run python -m benchmarks.yaml_update`
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import yaml
from ruamel.yaml import YAML

from airfreight.steps.yaml_edit import set_values

_SERVICE = """service{n}: # team {n}
  image:
    repository: registry.example.com/shop/service-{n}
    tag: 1.2.{n}
  replicas: 3
"""
_BYTES = 5_000_000


def values_file(size: int) -> str:
    """Return a values file of at least `size` bytes."""
    count = -(-size // len(_SERVICE))
    return "".join(_SERVICE.format(n=n) for n in range(count))


def _seconds(run: Callable[[], object]) -> float:
    """Return the processor's seconds, which other programs on the machine do not add to."""
    started = time.process_time()
    run()
    return time.process_time() - started


def _parser(text: str) -> None:
    for _ in yaml.parse(text, Loader=yaml.CSafeLoader):
        pass


def _pyyaml(text: str) -> str:
    data = yaml.load(text, Loader=yaml.CSafeLoader)
    data["service9"]["image"]["tag"] = "9.9.9"
    return yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False)


def _ruamel(text: str) -> str:
    round_trip, stream = YAML(typ="rt", pure=True), io.StringIO()
    data = round_trip.load(text)
    data["service9"]["image"]["tag"] = "9.9.9"
    round_trip.dump(data, stream)
    return stream.getvalue()


def main() -> None:
    """Print a table; our own share is what libyaml, which only parses the text once, does not take."""
    text = values_file(_BYTES)
    parser = _seconds(lambda: _parser(text))
    ours = _seconds(lambda: set_values(text, [("service9.image.tag", "9.9.9")]))
    print(f"{len(text) / 1e6:.1f} MB")
    print(f"yaml-update       {ours:7.2f} s, of which our own {max(ours - parser, 0):.2f} s")
    print(f"libyaml, parse    {parser:7.2f} s")
    print(f"PyYAML with C     {_seconds(lambda: _pyyaml(text)):7.2f} s, comments lost")
    print(f"ruamel.yaml       {_seconds(lambda: _ruamel(text)):7.2f} s")


if __name__ == "__main__":
    main()
