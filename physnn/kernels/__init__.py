"""Compiled loops on plain arrays (numba lives here): no classes, no files, nothing seeded."""
