"""A client of the OCI distribution API, in layers over httpx's transport.

`protocol` and `descriptors` read what a registry says and do no I/O; `session` asks: logins, pace, limits, errors;
`client` knows what can be asked; `copying` takes an artifact from one repository to another; `blocking` lets code that
does not await use a client. Nothing here knows of tags that are better than others (`artifacts.tags`) or of Freight.
"""
