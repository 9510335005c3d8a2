"""Experiments on simulated sites; never shipped to a real one."""
