"""Compiled kernels behind checked doors, and the slow twins that define them."""
