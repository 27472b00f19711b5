"""Samples of domains that decay in noise."""
