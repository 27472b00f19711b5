"""Curves y(x) of every size, with bootstrap samples."""
