"""The demo world and the embedded Airflow stack: what `make demo` and the live tests start.

An OCI registry, a Git server and Airflow on an embedded PostgreSQL, all on loopback and without Docker. Nothing in
`plugins/` imports this package, and it imports nothing of `airfreight`: it is the outside that the product meets.
"""
