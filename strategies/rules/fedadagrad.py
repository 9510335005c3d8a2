"""FedAdagrad: Adagrad on the server, which forgets no update."""

from typing import Any

from flwr.serverapp.strategy import FedAdagrad

from strategies.stock import AdaptiveStep
from strategies.tuning import STEP, Recipe


class Rule(AdaptiveStep):
    """Flower's FedAdagrad."""

    kind = FedAdagrad
    recipe = Recipe(STEP, "server_lr", (0.1, 1.0, 10.0), of_default=True)

    @property
    def options(self) -> dict[str, Any]:
        """No betas: nothing decays."""
        return {"eta": self.settings.server_lr, "tau": self.settings.server_tau}
