"""Nearest vectors by products of bytes, with bounds of what rounding to bytes can do."""
