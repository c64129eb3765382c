"""Model → DAGs, at parse time: reads files under `include/` and nothing else.

Belongs here: which tasks there are, how they hang together, which assets they read. Does not belong here: what a task
does. No network, database, Variable, Connection, clock, randomness or environment: the same manifests give the same
serialized DAG in every process.
"""
