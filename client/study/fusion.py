"""The fusion phase at one site: out-of-fold outputs of its cases, kept inside, and the head's gradient on them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from client.study.rounds import network_with
from client.study.session import ClientStudy
from modalities.core.blocks.branch import Weights
from modalities.core.fusion.evidence import Evaluation, Evidence, Question, head_folds
from modalities.core.fusion.head import Parameters
from modalities.core.fusion.outputs import Outputs
from modalities.core.model.predict import branch_outputs
from modalities.core.parts import held_out_fold, modality_of, rows_of


def held_out_outputs(study: ClientStudy, weights: Mapping[str, Weights]) -> dict[str, Weights]:
    """By modality, `logits`, `embeddings` and `present` of every training case.

    Each case is seen by the copy that was not trained on it; `weights` is by part.
    """
    order = {case_id: row for row, case_id in enumerate(study.data.listed.case_ids)}
    found = {}
    for part in sorted(weights, key=modality_of):
        modality = modality_of(part)
        config, data = study.federation.modalities[modality], study.training(modality)
        held = found.setdefault(modality, _empty(len(order), *weights[part]["head.weight"].shape))
        held_out = rows_of(part, data.folds, study.federation.fusion)[1]
        if held_out_fold(part, study.federation.fusion) and len(held_out):
            branch = network_with(study, modality, weights[part], data)
            logits, embeddings = branch_outputs(branch, config.kind, data.prepared, torch.from_numpy(held_out))
            places = [order[data.case_ids[row]] for row in held_out]
            held["logits"][places] = logits.numpy()
            held["embeddings"][places] = embeddings.numpy()
            held["present"][places] = True
    return found


def fusion_answer(
    study: ClientStudy,
    kept: Mapping[str, Weights],
    parameters: Mapping[str, Weights],
    question: Question,
    class_weights: Sequence[float],
) -> tuple[dict[str, Weights], Evaluation, int]:
    """The head's gradient by owner (a modality or `shared`), the whole answer, and the number of cases.

    `kept` is what `held_out_outputs` gave; `parameters` is by owner too.
    """
    fusion, listed, flat = study.federation.fusion, study.data.listed, flat_parameters(parameters)
    folds = head_folds(listed.folds, fusion)
    evidence = Evidence(outputs_of(kept), torch.tensor(listed.labels), folds, study.device)
    weights = torch.tensor(list(class_weights), dtype=torch.float64)
    found = evidence.answer(question, flat, weights, fusion.modality_dropout)
    by_owner: dict[str, Weights] = {owner: {} for owner in parameters}
    for key, value in found.gradient.items():
        owner, _, name = key.partition(".")
        by_owner[owner][name] = value.numpy()
    return by_owner, found, int((evidence.outputs.n_present > 0).sum())


def outputs_of(kept: Mapping[str, Weights]) -> Outputs:
    """What `held_out_outputs` gave, as tensors."""
    groups = [
        {name: torch.from_numpy(arrays[kind]) for name, arrays in kept.items()}
        for kind in ("logits", "embeddings", "present")
    ]
    return Outputs(*groups)


def flat_parameters(parameters: Mapping[str, Weights]) -> Parameters:
    """A head's parameters by owner, as `<owner>.<name>`."""
    return {
        f"{owner}.{name}": torch.from_numpy(np.array(array))
        for owner, arrays in parameters.items()
        for name, array in arrays.items()
    }


def _empty(n_cases: int, n_classes: int, embedding: int) -> Weights:
    return {
        "logits": np.zeros((n_cases, n_classes)),
        "embeddings": np.zeros((n_cases, embedding)),
        "present": np.zeros(n_cases, dtype=bool),
    }
