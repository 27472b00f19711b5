"""Wave functions of quantum spins that restricted Boltzmann machines give: chains, training, exact sums."""
