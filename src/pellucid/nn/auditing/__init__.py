"""A network's audit: the same findings, policy and report as a table's, asked of pictures or texts."""
