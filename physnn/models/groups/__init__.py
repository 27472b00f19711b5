"""Groups as data: tables, representations, and the linear maps that commute with them."""
