"""Where Flower's own programs lose time, and how they lose less: what is sent and answered stays the same."""
