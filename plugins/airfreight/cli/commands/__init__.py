"""One module per subcommand, each with its `run`; nothing that two of them share belongs here."""
