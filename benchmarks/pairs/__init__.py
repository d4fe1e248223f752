"""Interactions of pairs from sampled coalitions, beside shapiq's estimators."""
