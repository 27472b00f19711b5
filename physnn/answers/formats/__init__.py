"""Answers in the forms of other programs: tables, arrays, pages of a notebook."""
