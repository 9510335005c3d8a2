"""Which packages the program runs on: told by content, and listed as a bill of materials."""
