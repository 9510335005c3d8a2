"""A live page that a command shows to whoever typed it, on this machine alone: who may see it, and how it goes."""
