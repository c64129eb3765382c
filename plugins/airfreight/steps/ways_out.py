"""Which proxies a program is told to use: the worker's own, and else the guard that checks addresses."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

# git, which kustomize starts, reads the second spelling only.
_SCHEMES = (("HTTP_PROXY", "http_proxy"), ("HTTPS_PROXY", "https_proxy"))
PROXIES = tuple(name for names in _SCHEMES for name in names)

_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fe80::/10"))
_METADATA = ("metadata", "metadata.google.internal")


def ways_out(environ: Mapping[str, str], guard: str) -> dict[str, str]:
    """Return the variables for the network that follow from the worker's; `guard` is the address of its proxy.

    A scheme without a proxy goes through the guard; with ``NO_PROXY=*`` both do. Exceptions from a worker's proxy stay,
    but for those that lead to a cloud's metadata.
    """
    said = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    exceptions = [entry.strip() for entry in said.split(",")]
    proxied = "*" not in exceptions
    variables = {name: environ[name] for name in _AUTHORITIES if environ.get(name)}
    own = ""
    for names in _SCHEMES:
        own_way = next((environ[name] for name in names if proxied and environ.get(name)), "")
        own = own or own_way
        variables |= dict.fromkeys(names, own_way or guard)
    kept = ",".join(entry for entry in exceptions if own and not _leads_to_metadata(entry))
    return variables | {"NO_PROXY": kept, "no_proxy": kept}


def all_lead_through(environ: Mapping[str, str], guard: str) -> bool:
    """Say whether a program is told to leave through the guard alone."""
    ways = ways_out(environ, guard)
    return all(ways[name] == guard for name in PROXIES)


def _leads_to_metadata(entry: str) -> bool:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        return entry.lower().lstrip(".").partition(":")[0] in _METADATA
    return any(
        network.version == other.version and network.overlaps(other) for other in _LINK_LOCAL
    )
