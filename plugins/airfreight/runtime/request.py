"""What a run of a pipeline is asked for in its `conf`: shapes of every kind, one clear refusal each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airfreight.errors import RefusedError

_MOST_SHOWN = 5
_LONGEST_SHOWN = 100
_LONGEST_REASON = 1000
_KNOWN = ("freight", "stages", "approve", "abort", "reason", "warehouse")


@dataclass(frozen=True)
class RunRequest:
    """`freight` is a name, alias or prefix; `stages` None means all; `approve` is Kargo's approve."""

    freight: str
    stages: tuple[str, ...] | None
    approve: bool


@dataclass(frozen=True)
class Abort:
    """The promotions of run `run_id` to `stages` shall end; `reason` may be empty."""

    run_id: str
    stages: tuple[str, ...]
    reason: str


def read_request(conf: Mapping[str, Any], stages: Iterable[str]) -> RunRequest | Abort:
    """Read a run's `conf`; raises RefusedError where it is not one, or names a Stage that is not in `stages`."""
    unknown = sorted(str(key) for key in set(conf) - set(_KNOWN))
    if unknown:
        names = ", ".join(_shown(key) for key in unknown[:_MOST_SHOWN])
        more = f" and {len(unknown) - _MOST_SHOWN} more" if len(unknown) > _MOST_SHOWN else ""
        raise RefusedError(f"conf holds {names}{more}; it may hold {', '.join(_KNOWN[:-1])}")
    chosen = _read_stages(conf.get("stages"), tuple(stages))
    if conf.get("abort") not in (None, ""):
        return _read_abort(conf, chosen)
    freight = conf.get("freight")
    if not isinstance(freight, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,100}", freight):
        raise RefusedError(
            "conf needs freight: the name, the alias or a unique prefix of a Freight"
        )
    if not isinstance(conf.get("warehouse"), str | None):
        raise RefusedError("conf warehouse has to be the name of a Warehouse; leave it out")
    approve = conf.get("approve")
    if not isinstance(approve, bool | None):
        raise RefusedError("conf approve has to be true or false")
    if approve and chosen is None:
        raise RefusedError("conf approve needs stages: the Stages to approve the Freight for")
    return RunRequest(freight, chosen, bool(approve))


def _read_abort(conf: Mapping[str, Any], stages: tuple[str, ...] | None) -> Abort:
    run_id, reason = conf["abort"], conf.get("reason") or ""
    if not isinstance(run_id, str):
        raise RefusedError("conf abort has to be the id of the run whose promotion shall end")
    if not isinstance(reason, str):
        raise RefusedError("conf reason has to be a text")
    if conf.get("approve") or conf.get("freight"):
        raise RefusedError("conf abort goes with stages and reason alone; leave the rest out")
    if stages is None:
        raise RefusedError("conf abort needs stages: the Stages in which the promotion shall end")
    return Abort(run_id, stages, reason[:_LONGEST_REASON])


def _read_stages(value: Any, known: tuple[str, ...]) -> tuple[str, ...] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise RefusedError("conf stages has to be a list of the names of Stages")
    for name in value:
        if name not in known:
            near = difflib.get_close_matches(name[:_LONGEST_SHOWN], known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise RefusedError(
                f"conf stages: there is no Stage {_shown(name)} in this pipeline{hint}"
            )
    return tuple(dict.fromkeys(value))


def _shown(text: str) -> str:
    """Return `text` fit for a log: short, and what no encoding can hold spelled out."""
    return ascii(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
