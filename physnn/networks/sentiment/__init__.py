"""Transformers that tell whether a review is favourable, with embeddings in several forms, and simpler models."""
