"""Methods: each answers the question a game asks, and measures its own error."""
