"""What a study knows, and how it is kept: checkpoint, status, release."""
