"""What can be promoted, out there: selection rules, and clients of registries and repositories.

Belongs here: which tags and versions a subscription selects, and how to ask a registry for them,
and how to talk to the other services that steps reach.
Does not belong here: what becomes Freight (`runtime`), where credentials come from (`hooks`).
"""
