"""Counterfactuals beside DiCE: time, validity, changes."""
