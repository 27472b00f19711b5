"""Reports: what a file says in one page, for a terminal and for a browser."""
