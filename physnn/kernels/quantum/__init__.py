"""Quantum spins: world lines in imaginary time, and chains of wave functions with their local energies."""
