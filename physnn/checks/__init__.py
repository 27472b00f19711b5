"""Self-tests against exact results, and benchmarks against baselines of the same run."""
