"""Compiled loops over weights of -1 and +1."""
