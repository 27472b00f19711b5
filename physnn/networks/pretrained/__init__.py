"""Convolutional networks that come trained, and their layers as maps over the image."""
