"""Everything of Flower that is not public."""
