"""Figures of quantum states."""
