"""What a person at a site does with data and a release."""
