"""Commands about the layers of convolutional networks."""
