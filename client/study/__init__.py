"""What a message of the study does inside the site."""
