"""Operators: they read the context, call `runtime`, and return a small JSON value.

Belongs here: what a task of a generated DAG does in Airflow's terms (states, events, deferral). Does not belong here:
a decision that could be tested without Airflow.
"""
