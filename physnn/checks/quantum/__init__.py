"""Benchmarks of quantum spins."""
