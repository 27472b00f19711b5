"""Derivatives of networks with tanh layers: forwards, and backwards to the gradient, in blocks of points."""
