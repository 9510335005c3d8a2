"""The aggregation rules, a file each; strategies/rule.py says what a rule is."""
