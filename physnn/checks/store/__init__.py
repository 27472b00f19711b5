"""Costs of keeping samples on the disk."""
