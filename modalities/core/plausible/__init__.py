"""What can be read but hardly be true: rules as data, and how many cases must break one before anybody is told."""
