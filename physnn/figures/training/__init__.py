"""Figures of networks trained in several forms of the input."""
