"""Maps of the layers of convolutional networks."""
