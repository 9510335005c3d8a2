"""A run's tables, figures, methods and predictions as files for a paper."""
