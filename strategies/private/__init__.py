"""Differential privacy for patients: what a study spends, how a patient's part is bounded, and the noise that hides it.

Plain functions of numbers and arrays; nothing here knows Flower, a site or a network.
"""
