"""Results of a study that never was, with every part that a report shows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulations.scores.compare import compare

PAM50 = ("LumA", "LumB", "Basal", "Her2")


SHARES = np.array([0.55, 0.2, 0.17, 0.08])


MODALITIES = ("cnv", "clinical", "hif")


SITES = [
    *("University of Pittsburgh", "MSKCC", "Walter Reed", "Duke", "ILSbio <Biobank & Co>"),
    *("Greater Poland", "Mayo", "Christiana", "other"),
]


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


class MadeUpStudy:
    """Cases with one noisy view of their class a modality; an arm sees each view with noise of its own."""

    def __init__(self, n: int, classes: Sequence[str] = PAM50, n_sites: int = 9, seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.classes, self.n = list(classes), n
        share = SHARES[: len(classes)] / SHARES[: len(classes)].sum()
        self.labels = self.rng.choice(len(classes), n, p=share)
        self.ids = np.array([f"TCGA-{i:04}" for i in range(n)])
        self.sites = self.rng.choice(SITES[:n_sites], n, p=(w := np.linspace(2, 0.5, n_sites)) / w.sum())
        self.folds = np.arange(n) % 5
        self.holds = pd.DataFrame(self.rng.random((n, 3)) < [0.87, 0.99, 0.83], columns=MODALITIES, index=self.ids)
        self.holds["clinical"] |= ~self.holds.any(axis=1)
        truth = np.eye(len(classes))[self.labels] + np.log(share) * 0.55
        clear = dict(zip(MODALITIES, (0.85, 1.3, 0.95), strict=True))
        self.views = {m: clear[m] * truth + self.rng.normal(size=truth.shape) for m in MODALITIES}

    def logits(self, strength: float, noise: float) -> dict[str, np.ndarray]:
        return {m: strength * v + self.rng.normal(size=v.shape) * noise for m, v in self.views.items()}

    def rows(self, arm: str, name: str, p: np.ndarray, kept: np.ndarray) -> pd.DataFrame:
        table = pd.DataFrame({"arm": arm, "set": name, "case_id": self.ids, "site": self.sites})
        table["label"], table["fold"] = self.labels, self.folds
        return table.assign(**{f"p_{c}": p[:, c] for c in range(len(self.classes))})[kept]

    def arm(self, arm: str, strength: float, noise: float, masked: bool = False) -> list[pd.DataFrame]:
        seen, held = self.logits(strength, noise), self.holds.to_numpy()
        parts = [self.rows(arm, m, softmax(seen[m]), self.holds[m].to_numpy()) for m in MODALITIES]
        fused = sum(np.where(self.holds[[m]].to_numpy(), seen[m], 0) for m in MODALITIES)
        parts.append(self.rows(arm, "fused", softmax(fused * 0.75), held.any(axis=1)))
        for mask in range(1, 7 if masked else 1):
            names = [m for i, m in enumerate(MODALITIES) if mask >> i & 1]
            p = softmax(seen[names[0]] if len(names) == 1 else sum(seen[m] for m in names) * 0.8)
            parts.append(self.rows(arm, "fused@" + "+".join(names), p, held.all(axis=1)))
        return parts

    def predictions(self) -> pd.DataFrame:
        parts = [*self.arm("centralised", 1.0, 0.2, True), *self.arm("federated", 1.0, 0.25, True)]
        parts += self.arm("reference", 1.3, 0.35)
        for i, site in enumerate(sorted(set(self.sites))):
            parts += self.arm(f"local:{site}", 0.8, 0.8 + 0.14 * i)
        prior = np.tile(np.bincount(self.labels, minlength=len(self.classes)) / self.n, (self.n, 1))
        parts.append(self.rows("majority", "fused", prior, self.holds.any(axis=1).to_numpy()))
        return pd.concat(parts, ignore_index=True)

    def curve(self, length: int, speed: float) -> list[list[float]]:
        rounds = np.arange(length + 1)
        shape = 0.62 + 0.76 * np.exp(-rounds / speed) + 0.0011 * rounds
        return [list(shape + self.rng.normal(0, 0.006, length + 1) + self.rng.normal(0, 0.02)) for _ in range(5)]

    def extra(self) -> dict:
        sites = sorted(set(self.sites))
        curves = {m: {"federated": self.curve(80, 9), "centralised": self.curve(60, 6)} for m in MODALITIES}
        stopping = {m: {"federated": [41, 38, 47, 44, 36], "centralised": [26, 31, 28, 24, 33]} for m in MODALITIES}
        sizes = {"cnv": 2_133_000, "clinical": 98_400, "hif": 971_000, "fusion": 12_300}
        traffic = {site: {m: {"up": size * 40, "down": size * 41} for m, size in sizes.items()} for site in sites}
        traffic[sites[-1]]["cnv"] = {"up": 0, "down": 0}
        seconds = {"federated": dict.fromkeys(MODALITIES, 41.2), "centralised": 97.0, "local": 388.4}
        return {"bytes": traffic, "seconds": seconds, "curves": curves, "stopping": stopping}


TASK = {"name": "PAM50 subtype of a breast tumour", "dropped": {"Normal": 30, "": 9}}


PROTOCOL = {
    "seed": 0, "cv": "random", "folds": 5, "engine": "inline", "clinical": "ihc", "missing_rate": None,
    "config": {"modalities": {"cnv": {"kind": "cnv", "lr": 0.003, "strategy": {"name": "fedadam", "rounds": 80}}}},
    "versions": {"python": "3.11.7", "torch": "2.9.0", "flwr": "1.41.0"},
}  # fmt: skip


def made_up_results(
    study: MadeUpStudy, n_draws: int = 30, outside: MadeUpStudy | None = None
) -> tuple[dict, pd.DataFrame]:
    predictions, extra = study.predictions(), study.extra()
    if outside:
        extra |= {"external": outside.predictions(), "external_holds": outside.holds}
    results = compare(predictions, study.holds, {**TASK, "classes": study.classes}, PROTOCOL, extra, n_draws)
    return results, predictions
