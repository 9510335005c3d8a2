"""The coordinator's folder, the commands on it, and the Flower runs that carry a study."""
