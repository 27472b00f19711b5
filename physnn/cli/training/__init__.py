"""Commands of networks that are trained in several forms of the input, and of renormalization."""
