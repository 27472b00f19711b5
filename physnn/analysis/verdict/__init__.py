"""Verdicts: from curves to crossing, merging, first order, none or undecided."""
