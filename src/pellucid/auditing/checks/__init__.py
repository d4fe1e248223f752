"""The questions an audit asks, one file per idea."""
