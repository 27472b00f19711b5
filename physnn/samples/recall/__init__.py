"""Images told from a memory of vectors that a network gave."""
