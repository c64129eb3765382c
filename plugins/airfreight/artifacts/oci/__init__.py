"""A client of the OCI distribution API, in two layers over httpx's transport.

`protocol` reads what a registry says and does no I/O; `client` asks: logins, paging, limits, errors.
Nothing here knows of tags that are better than others (`artifacts.tags`) or of Freight.
"""
