"""Exact Shapley values of tree ensembles beside every peer: speed, agreement, memory, threads."""
