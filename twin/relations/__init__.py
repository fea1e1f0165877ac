"""What feeds, powers and drains what."""
