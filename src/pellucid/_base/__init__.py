"""What every room may use and what knows nothing of pellucid's own nouns."""
