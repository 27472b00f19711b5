"""Diffusion models that colour grey images (torch)."""
