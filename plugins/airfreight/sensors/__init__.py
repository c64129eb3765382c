"""Sensors: what is awaited, and the Freight that it becomes."""
