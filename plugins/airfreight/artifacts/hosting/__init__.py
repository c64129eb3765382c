"""The services that host repositories: pull requests on GitHub, GitLab, Gitea, Bitbucket Cloud and Azure DevOps.

Belongs here: which requests a service wants and how its answers read, without I/O (one module per service), and the one
client that sends them (`client`). Does not belong here: when a promotion opens, awaits or merges (`steps`).
"""
