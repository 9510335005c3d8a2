"""What lies behind the headline numbers, from the same out-of-fold predictions: each file gives one key of results."""
