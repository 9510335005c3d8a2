"""The report of a real study: how good its model is, in words, figures and tables, and results.json."""
