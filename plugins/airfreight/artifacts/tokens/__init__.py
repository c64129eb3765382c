"""Tokens that open repositories for hours: what fetches them from a cloud or from GitHub, and what keeps them.

Belongs here: a provider for each service, its pure reading of hosts and answers, the cache. Which Connection asks for
which provider is `runtime`'s.
"""
