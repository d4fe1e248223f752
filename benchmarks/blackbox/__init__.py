"""Error at budget of Shapley estimators for any predict function, judged by exact values."""
