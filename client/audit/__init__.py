"""The site's audit log: every message that came and every reply that left, and whether anything of it was changed."""
