"""From raw observables to critical points and exponents with errors; numpy and scipy alone."""
