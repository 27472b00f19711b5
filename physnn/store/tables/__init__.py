"""Plain tables: cells of a text, roles of columns, points."""
