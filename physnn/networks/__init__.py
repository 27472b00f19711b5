"""Networks as samples: the Kuramoto network, its task, training and noisy evaluation (torch lives here)."""
