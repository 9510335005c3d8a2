"""What a round took, and the line of metrics.jsonl that says so."""

import time
from collections.abc import Collection, Iterable

from modalities.core.parts import modality_of
from server.state.measured import Measurement, now
from server.state.status import bytes_by_owner
from server.state.study import StudyState
from strategies.checks import LOSS, NUM_EXAMPLES
from strategies.exchange import Folded

CLOSING = "closing evaluation"
_NONE = {"up": 0, "down": 0}


class Stopwatch:
    """Counts seconds and bytes from where it was made, or from the last line that it wrote."""

    def __init__(self, study: StudyState) -> None:
        """Start now."""
        self._study = study
        self._since, self._bytes = time.monotonic(), bytes_by_owner(study)

    def stop(
        self,
        phase: str,
        rounds: int | None = None,
        modality: str | None = None,
        held_out_loss: float | None = None,
        training_loss: float | None = None,
        loss_sum: float | None = None,
        answered: Collection[str] | None = None,
        missing: Collection[str] = (),
        cases: int | None = None,
    ) -> None:
        """Note a line, which the next step writes; bytes are those of the modality, or of all that travelled."""
        study, before = self._study, self._bytes
        if phase == CLOSING:
            study.missing.add(f"{CLOSING} of {modality}", None, missing)
        else:
            study.missing.add(modality or phase, rounds, missing)
        seconds, after = time.monotonic() - self._since, bytes_by_owner(study)
        owners: Iterable[str] = after if modality is None else (modality,)
        both = [(after.get(own, _NONE), before.get(own, _NONE)) for own in owners]
        line = Measurement(
            phase=phase,
            round=rounds,
            modality=modality,
            held_out_loss=held_out_loss,
            training_loss=training_loss,
            loss_sum=loss_sum,
            sites=None if answered is None else len(answered),
            missing=sorted(missing),
            cases=None if study.federation.privacy.epsilon else cases,
            bytes_up=sum(total["up"] - earlier["up"] for total, earlier in both),
            bytes_down=sum(total["down"] - earlier["down"] for total, earlier in both),
            seconds=round(seconds, 3),
            time=now(),
        )
        study.measured.lines.append(dict(line))

    def stop_branch(self, phase: str, rounds: int, modality: str, held_out_loss: float | None, last: Folded) -> None:
        """The same for a round of a branch: its own training loss, not that of its fold copies."""
        own = last.metrics.get(modality, {})
        parts = [sites for part, sites in last.usable.items() if modality_of(part) == modality]
        answered = set.intersection(*parts) if parts else set()
        cases = int(own[NUM_EXAMPLES]) if NUM_EXAMPLES in own else None
        self.stop(
            phase,
            rounds,
            modality,
            held_out_loss,
            own[LOSS] / cases if LOSS in own and cases else None,
            answered=answered,
            missing=self._study.holders(modality) - answered,
            cases=cases,
        )

    def restart(self) -> None:
        """Count from now on."""
        self._since, self._bytes = time.monotonic(), bytes_by_owner(self._study)
