"""Distances, overlaps and embeddings of replicas of a network."""
