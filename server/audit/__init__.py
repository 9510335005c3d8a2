"""The coordinator's receipts for the sites' audit logs: it countersigns each head that extends the one before."""
