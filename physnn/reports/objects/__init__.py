"""Files as objects: what commands do to them as methods."""
