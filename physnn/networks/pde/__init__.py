"""Differential equations as data, and networks that are trained to solve them."""
