"""The settings of a federation and of a site: read, merged, checked and digested."""
