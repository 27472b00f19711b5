"""Running tasks: executors, locks, stopping, progress; no physics."""
