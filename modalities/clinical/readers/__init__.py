"""The formats of clinical files, a module each: where the dictionary's fields stand, and whose row it is."""
