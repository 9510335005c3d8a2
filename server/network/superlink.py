"""The study's SuperLink as a program, started by server/coordinator/flower.py."""

from server.network.renewed import renewing
from strategies.flower.superlink import run_superlink

if __name__ == "__main__":
    run_superlink(renewing)
