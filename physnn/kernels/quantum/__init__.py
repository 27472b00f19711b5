"""Kernels of quantum spins."""
