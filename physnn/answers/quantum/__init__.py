"""What files of quantum spins say."""
