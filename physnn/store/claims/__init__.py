"""What a file says of itself, held against its recipe and the ranges of its quantities."""
