"""Thin Airflow faces of outside systems: Connections, the asset state store, other runs, the configuration.

Belongs here: turning a call of ours into a call of Airflow's and back. Does not belong here: decisions.
"""
