"""Figures of the layers of convolutional networks."""
