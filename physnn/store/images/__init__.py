"""Readers of published image layouts."""
