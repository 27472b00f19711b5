"""Real-space renormalization of sampled configurations: linearised flow, couplings of blocks, verdict."""
