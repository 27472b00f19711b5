"""Commands that make pages, and that follow runs."""
