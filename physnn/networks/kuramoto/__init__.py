"""The Kuramoto network: layers, training, noisy evaluation (torch)."""
