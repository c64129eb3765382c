"""What happens inside a task, without Airflow.

Belongs here: the promotion engine and its work directory, candidates and gate decisions, the register's rules (its
store is injected). Does not belong here: Airflow; what a step kind does (`steps`), reading manifests (`manifests`).
"""
