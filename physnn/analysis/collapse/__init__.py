"""Scaling collapse: model, search, exponents."""
