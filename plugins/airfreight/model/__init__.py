"""What manifests, Freight and Promotions mean: frozen, typed, no I/O, no Airflow.

Belongs here: the shape of each kind, rules that need nothing but the values themselves (names, ids, URLs, durations).
Does not belong here: reading files (`manifests`), decisions over the register (`runtime`), anything of Airflow.
"""
