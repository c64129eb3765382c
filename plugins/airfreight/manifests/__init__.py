"""Reading manifests: text → documents with a line and column for every value → model.

Belongs here: YAML as Kubernetes reads it, the kinds of a project, the checks that need several documents, the located
problems. Does not belong here: what the values mean (`model`), anything that is decided while DAGs run (`runtime`).
Reads files under `include/` and nothing else.
"""
