"""Answers that are computed from files, in words: what commands print, and pages show."""
