"""Loss landscapes of +-1 networks as samples: brute force in parts, and Wang-Landau walkers."""
