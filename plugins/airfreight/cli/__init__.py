"""The command `airfreight`: arguments, the client of Airflow's REST API, tables.

Here belongs what a person's terminal needs; rules about Freight and Stages do not: those live in `runtime`, and the
tasks apply them again whatever this command believes. Only `validate` imports Airflow, and `main` imports a command
when it is asked for: `airfreight get --help` answers at once.
"""
