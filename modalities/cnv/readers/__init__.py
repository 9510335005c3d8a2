"""The formats of copy-number files, a module each."""
