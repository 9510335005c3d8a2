"""What a site's audit log and the coordinator's receipts have in common: a tree of entries, and signed statements."""
