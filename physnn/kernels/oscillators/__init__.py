"""Compiled loops of coupled oscillators: phases, and unit vectors that turn."""
