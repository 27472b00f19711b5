"""Figures of pages: one panel each."""
