"""Triggers: what waits in the triggerer. Every `__init__` argument is in `serialize()`; a test proves it for all."""
