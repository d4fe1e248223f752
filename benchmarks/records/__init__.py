"""Recorded decisions a second."""
