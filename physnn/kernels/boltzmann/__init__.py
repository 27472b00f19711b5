"""Restricted Boltzmann machines: fields, and draws of units, from tables of sums of weights."""
