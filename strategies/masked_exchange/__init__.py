"""Exchanges under masks: the wire, and the server's half, which sees sums only."""
