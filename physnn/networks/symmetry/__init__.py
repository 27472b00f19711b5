"""Layers that commute with translations and a point group, from the algebra of the maps between their fields."""
