"""Promotion steps: one class per step kind, with its name, its typed config and its run.

Belongs here: what a step kind does (`kargo.md` §2.3 to §2.10). Steps import only `steps.base` and the
clients beside it, never each other. Does not belong here: order,
retries, expressions and outputs of several steps (`runtime.engine`).
"""
