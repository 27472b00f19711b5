"""Samples made by training networks."""
