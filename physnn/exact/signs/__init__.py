"""Exact counts of networks with weights -1 and +1."""
