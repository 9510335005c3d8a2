"""FedAvg: the mean of the sites' weights, each counted by its cases. Source: McMahan et al. 2017, arXiv:1602.05629."""

from strategies.rule import Step


class Rule(Step):
    """A step without any state."""
