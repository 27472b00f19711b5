"""Samples of coupled oscillators at several sizes and strengths of the coupling."""
