"""Lifetimes of domains, and the noise at which they are lost."""
