"""Exact answers: enumerations, Kaufman's partition function, transfer matrices; the oracles of tests and runs."""
