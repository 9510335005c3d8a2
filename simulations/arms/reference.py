"""The reference arm: scikit-learn's logistic regression on each modality, and stacked; no model code of ours."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from modalities.core.contract import Cases
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation
from modalities.core.settings.training import BranchConfig
from modalities.core.site.store import SiteData
from simulations.arms.scoring import TestCases
from simulations.scores.predictions import FUSED

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
_STACK_STRENGTHS = (1e-2, 1e-1, 1.0, 10.0)
_FOLDS = 3
_LEAST = 1e-6


def score_reference(sites: Sequence[SiteData], federation: Federation, tested: TestCases, arm: str) -> pd.DataFrame:
    """Probabilities of each modality's model and of the stack, on the test cases.

    A modality whose cases are no vectors takes part where its plug-in has `vectors`: cases -> [case, feature].
    """
    labels = pd.concat([site.site.cases["label"] for site in sites])
    trained, scored = {}, {}
    for name in federation.modalities:
        holders = [site for site in sites if name in site.modalities]
        parts = [site.cases(name).select(site.training_cases(name)) for site in holders]
        training, test = (
            as_vectors(own, federation.modalities[name]) for own in (Cases.join(parts), tested.cases[name])
        )
        if training.case_ids and isinstance(training.values, np.ndarray):
            y = labels[list(training.case_ids)].to_numpy()
            trained[name], scored[name] = _fit_modality(name, training, y, test, federation)
    scored[FUSED] = _stack(trained, scored, labels, federation)
    return pd.concat([_rows(tested, arm, name, table) for name, table in scored.items()], ignore_index=True)


def as_vectors(cases: Cases, config: BranchConfig) -> Cases:
    """The cases with a vector each, where that can be had; else as they are."""
    vectors = getattr(plugin(config.kind), "vectors", None)
    return replace(cases, values=vectors(cases)) if vectors and cases.case_ids else cases


def _fit_modality(
    name: str, training: Cases, y: np.ndarray, test: Cases, federation: Federation
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities of the training cases, out of fold, and of the test cases."""
    model, inner = _search(_STRENGTHS, y, federation.seed, name), _inner(y, federation.seed, name)
    with quiet():
        out_of_fold = np.asarray(cross_val_predict(model, training.values, y, cv=inner, method="predict_proba"))
        fitted = model.fit(training.values, y)
    found = fitted.predict_proba(test.values) if test.case_ids else np.zeros((0, len(fitted.classes_)))
    return (
        _table(out_of_fold, np.unique(y), training.case_ids, federation),
        _table(found, fitted.classes_, test.case_ids, federation),
    )


def _search(strengths: Sequence[float], y: np.ndarray, seed: int, name: str) -> GridSearchCV:
    """Median impute, scale, logistic regression with C by inner cross-validation."""
    steps: Pipeline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=500)
    )
    grid = {"logisticregression__C": list(strengths)}
    return GridSearchCV(steps, grid, scoring=_log_likelihood, cv=_inner(y, seed, name))


def _log_likelihood(model: Pipeline, values: np.ndarray, y: np.ndarray) -> float:
    """Mean log-probability of the true classes, 0 for a class that a small inner fold was trained without."""
    is_true = np.asarray(y)[:, None] == model.classes_[None, :]
    probabilities = np.where(is_true, model.predict_proba(values), 0.0).sum(axis=1)
    return float(np.log(np.clip(probabilities, np.finfo(np.float64).eps, None)).mean())


def _inner(y: np.ndarray, seed: int, name: str) -> StratifiedKFold | KFold:
    """Inner folds; stratified as long as every class has two cases."""
    rarest = int(np.unique(y, return_counts=True)[1].min())
    state = seed_of(seed, "reference", name) % 2**32
    if rarest < 2:
        return KFold(_FOLDS, shuffle=True, random_state=state)
    return StratifiedKFold(min(_FOLDS, rarest), shuffle=True, random_state=state)


def _stack(
    trained: Mapping[str, pd.DataFrame], scored: Mapping[str, pd.DataFrame], labels: pd.Series, federation: Federation
) -> pd.DataFrame:
    """Logistic regression on the modalities' out-of-fold log-probabilities; a missing modality is imputed."""
    learned, applied = _side_by_side(trained), _side_by_side(scored)
    y = labels[list(learned.index)].to_numpy()
    with quiet():
        fitted = _search(_STACK_STRENGTHS, y, federation.seed, FUSED).fit(learned.to_numpy(), y)
    found = fitted.predict_proba(applied[list(learned.columns)].to_numpy())
    return _table(found, fitted.classes_, list(applied.index), federation)


def _side_by_side(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    logs = []
    for name, table in tables.items():
        columns = [f"{name}_{column}" for column in table]
        logs.append(pd.DataFrame(np.log(table.clip(lower=_LEAST).to_numpy()), index=table.index, columns=columns))
    return pd.concat(logs, axis=1).sort_index()


def _table(
    probabilities: np.ndarray, known: np.ndarray, case_ids: Sequence[str], federation: Federation
) -> pd.DataFrame:
    """A column for every class of the task, though the training cases may have had only the known ones."""
    spread = np.zeros((len(probabilities), federation.n_classes))
    spread[:, known.astype(int)] = probabilities
    return pd.DataFrame(spread, index=pd.Index(list(case_ids)))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warning that a fit stopped at its iterations: the inner folds judge it anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # a class with fewer cases than there are inner folds: `_log_likelihood` and `_table` make up for it
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        warnings.filterwarnings("ignore", "Number of classes in training fold", RuntimeWarning)
        yield


def _rows(tested: TestCases, arm: str, name: str, table: pd.DataFrame) -> pd.DataFrame:
    owners = tested.frame.set_index("case_id").loc[table.index].reset_index()
    owners.insert(0, "arm", arm)
    owners.insert(1, "set", name)
    return pd.concat([owners, table.reset_index(drop=True).add_prefix("p_")], axis=1)
