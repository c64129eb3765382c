"""Argo CD: what an Application says, and the two doors to it.

Belongs here: reading and changing Applications by Kubernetes' API or by Argo CD's own. Does not belong here: which
change a step wants (`steps`), and where the login comes from (`hooks`).
"""
