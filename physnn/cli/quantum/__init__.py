"""Commands of quantum spins."""
