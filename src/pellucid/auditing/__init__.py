"""Checks and findings: measures are taken here, judged by a policy, and drawn elsewhere."""
