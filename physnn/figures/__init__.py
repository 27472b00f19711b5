"""Analysis results as matplotlib figures, one function per kind; each returns a Figure."""
