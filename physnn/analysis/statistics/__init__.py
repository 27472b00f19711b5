"""Estimates with errors, series of Markov chains, resampling, pairs of replicas, free energies of several states."""
