"""The reference arm: scikit-learn's logistic regression on each modality, and stacked; no model code of ours."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from modalities.core.federation import Federation
from modalities.core.seeds import seed_of
from modalities.core.store import SiteData
from simulations.scoring import FUSED, TestCases

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
_STACK_STRENGTHS = (1e-2, 1e-1, 1.0, 10.0)
_FOLDS = 3
_LEAST = 1e-6


def score_reference(sites: Sequence[SiteData], federation: Federation, tested: TestCases, arm: str) -> pd.DataFrame:
    """Probabilities of each modality's model and of the stack, on the test cases; modalities must be vectors."""
    n_classes = federation.n_classes
    labels = pd.concat([site.site.cases["label"] for site in sites])
    trained, scored = {}, {}
    for name in federation.modalities:
        holders = [site for site in sites if name in site.modalities]
        if not holders or not isinstance(holders[0].cases(name).values, np.ndarray):
            continue
        case_ids = [case_id for site in holders for case_id in site.training_cases(name)]
        values = np.concatenate([site.cases(name).select(site.training_cases(name)).values for site in holders])
        y = labels[case_ids].to_numpy()
        model, inner = _search(_STRENGTHS, federation.seed, name), _inner(federation.seed, name)
        out_of_fold = _quiet(
            lambda m=model, v=values, t=y, i=inner: cross_val_predict(m, v, t, cv=i, method="predict_proba")
        )
        fitted = _quiet(lambda m=model, v=values, t=y: m.fit(v, t))
        trained[name] = pd.DataFrame(_spread(out_of_fold, np.unique(y), n_classes), index=pd.Index(case_ids))
        test = tested.cases[name]
        found = (
            _spread(fitted.predict_proba(test.values), fitted.classes_, n_classes)
            if test.case_ids
            else np.zeros((0, n_classes))
        )
        scored[name] = pd.DataFrame(found, index=pd.Index(test.case_ids))
    scored[FUSED] = _stack(trained, scored, labels, federation)
    return pd.concat([_rows(tested, arm, name, table) for name, table in scored.items()], ignore_index=True)


def _search(strengths: Sequence[float], seed: int, name: str) -> GridSearchCV:
    """Median impute, scale, logistic regression with C by inner cross-validation."""
    steps: Pipeline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=500)
    )
    grid = {"logisticregression__C": list(strengths)}
    return GridSearchCV(steps, grid, scoring="neg_log_loss", cv=_inner(seed, name))


def _inner(seed: int, name: str) -> StratifiedKFold:
    return StratifiedKFold(_FOLDS, shuffle=True, random_state=seed_of(seed, "reference", name) % 2**32)


def _stack(
    trained: Mapping[str, pd.DataFrame], scored: Mapping[str, pd.DataFrame], labels: pd.Series, federation: Federation
) -> pd.DataFrame:
    """Logistic regression on the modalities' out-of-fold log-probabilities; a missing modality is imputed."""
    learned, applied = _side_by_side(trained), _side_by_side(scored)
    model = _search(_STACK_STRENGTHS, federation.seed, FUSED)
    y = labels[learned.index].to_numpy()
    fitted = _quiet(lambda: model.fit(learned.to_numpy(), y))
    found = fitted.predict_proba(applied[learned.columns].to_numpy())
    return pd.DataFrame(_spread(found, fitted.classes_, federation.n_classes), index=applied.index)


def _side_by_side(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    logs = {name: np.log(table.clip(lower=_LEAST)).add_prefix(f"{name}_") for name, table in tables.items()}
    return pd.concat(list(logs.values()), axis=1).sort_index()


def _spread(probabilities: np.ndarray, known: np.ndarray, n_classes: int) -> np.ndarray:
    """Columns for every class of the task, though the training cases had only the known ones."""
    spread = np.zeros((len(probabilities), n_classes))
    spread[:, known.astype(int)] = probabilities
    return spread


def _quiet(work):  # noqa: ANN001, ANN202
    """Without the warning that a fit stopped at its iterations: the inner folds judge it anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return work()


def _rows(tested: TestCases, arm: str, name: str, table: pd.DataFrame) -> pd.DataFrame:
    owners = tested.frame.set_index("case_id").loc[table.index].reset_index()
    owners.insert(0, "arm", arm)
    owners.insert(1, "set", name)
    return pd.concat([owners, table.reset_index(drop=True).add_prefix("p_")], axis=1)
