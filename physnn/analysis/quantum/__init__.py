"""What is said of quantum spins: whether order has converged, entropies."""
