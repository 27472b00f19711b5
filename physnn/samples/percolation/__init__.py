"""Samples of site percolation at several occupation probabilities, which share runs."""
