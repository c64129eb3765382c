"""Versions of Helm charts: in classic repositories (`index.yaml`) and among the tags of registries.

`index` reads an index and does no I/O; `repository` asks and keeps what was read; `versions` picks.
"""
