"""What to run (recipe), the one loop that runs it (run), and where (executors)."""
