"""The file formats of clinical records, a module each: where the dictionary's fields stand in it, and whose row it is."""
