"""Benchmarks of networks trained in several forms."""
