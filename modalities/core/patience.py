"""The stopping rule of every arm: stop once the held-out loss has not fallen for a while, keep the best round."""

import math
from dataclasses import dataclass

_LEAST_GAIN = 1e-4


@dataclass
class Patience:
    """Watches one held-out loss per round; `patience` 0 never stops and keeps the last round."""

    patience: int
    best_loss: float = math.inf
    best_round: int = 0

    def improves(self, round_number: int, loss: float) -> bool:
        """Take in the loss after a round, and say whether that round is the one to keep."""
        better = self.patience == 0 or not math.isfinite(self.best_loss) or loss < self.best_loss * (1 - _LEAST_GAIN)
        if better:
            self.best_loss, self.best_round = loss, round_number
        return better

    def exhausted(self, round_number: int) -> bool:
        """Whether the rounds since the best one have used up the patience."""
        return self.patience > 0 and round_number - self.best_round >= self.patience
