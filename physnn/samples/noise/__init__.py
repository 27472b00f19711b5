"""Samples of networks in noise."""
