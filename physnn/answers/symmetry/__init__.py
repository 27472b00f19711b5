"""Symmetries of networks: what their charges did in training."""
