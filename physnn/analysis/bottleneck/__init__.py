"""What maps over an image say: where energy lies, what makes it, whether a class has a direction."""
