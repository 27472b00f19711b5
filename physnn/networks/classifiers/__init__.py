"""Image classifiers trained as replicas (torch, and compiled loops)."""
