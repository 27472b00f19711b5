"""Tasks that networks are trained on: images and their targets."""
