"""What files of energy maps say."""
