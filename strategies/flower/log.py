"""Flower's log: what a ServerApp writes there can be read by whoever started the run, with `flwr log`."""

import logging

log = logging.getLogger("flwr").log
"""Level, text and its values. Flower's own `log`, which is not public, is this very method."""
