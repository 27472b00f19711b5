"""What a file of samples says, as figures and commands show it."""
