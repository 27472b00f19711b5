"""Errors of series, resampling, reweighting, differences."""
