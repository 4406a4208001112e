"""Training recorded trials again, to see that the code still gives what the records say."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelnoise import data, training
from labelnoise.data import sources
from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.names import in_two
from labelnoise.trials import provenance

if TYPE_CHECKING:
    from labelnoise.trials import Ledger, Record

# On another processor or torch build, or in another precision, sums are rounded differently and trainings drift apart;
# this is how far the noisy validation loss at the best epoch may then differ, in nats.
LOSS_TOLERANCE = 0.02


@dataclass(frozen=True)
class Comparison:
    """A recorded trial beside its replay."""

    recorded: Record
    replayed: Record
    device: str = "cpu"  # of the replay

    @property
    def exact(self) -> bool:
        """Whether this machine should give the same bits."""
        return provenance.same_build(self.recorded.provenance, self.device, self.recorded.trial.settings.precision)

    @property
    def loss_difference(self) -> float:
        """How far the noisy validation losses at the best epoch lie apart, in nats."""
        first, second = (r.history["noisy_validation_loss"][r.best_epoch] for r in (self.recorded, self.replayed))
        return abs(first - second)

    @property
    def agrees(self) -> bool:
        """Bit for bit on the same kind of processor, torch build and precision, within `LOSS_TOLERANCE` elsewhere."""
        if not self.exact:
            return self.loss_difference <= LOSS_TOLERANCE
        recorded, replayed = (each.transition_matrices for each in (self.recorded, self.replayed))
        new = {in_two(name)[0] for name in replayed.keys() - recorded.keys()}
        # Estimators that came since the record was made are no difference.
        return (
            new <= {*ESTIMATORS, *FEATURE_ESTIMATORS}
            and recorded.items() <= replayed.items()
            and all(
                getattr(self.recorded, name) == getattr(self.replayed, name)
                for name in ("weights_sha256", "history", "best_epoch", "prob_quantiles")
            )
        )


def choose(ledger: Ledger, n: int, seed: int) -> list[Record]:
    """Draw n recorded trials at random by the seed, or all if there are fewer.

    Those with people's votes take part only where the votes are on this machine.
    """
    left_out = () if sources.found_votes() else data.WITH_VOTES
    records = sorted((r for r in ledger if r.trial.dataset not in left_out), key=lambda record: record.trial.key)
    return random.Random(seed).sample(records, min(n, len(records)))


def replay(records: Sequence[Record], ledger: Ledger, device: str = "cpu") -> list[Comparison]:
    """Train each record's trial again, with the recorded estimate of T where it was given one.

    A fit that it started from is trained again too: kept weights may come from another machine.

    Args:
        records: what to train again.
        ledger: where the records are that these were given.
        device: "cpu" or "cuda".

    Raises:
        InputError: the ledger has no record of the trial that one took its T or weights from, or there is no GPU.
    """
    from labelnoise.trials import _running, check_device  # brings torch

    check_device(device)
    comparisons = []
    for recorded in records:
        needed = recorded.trial.prerequisite()
        given = ledger.find(needed) if needed else None
        if needed and given and training.method(recorded.trial.method).warm_start:
            given = dataclasses.replace(given, weights=_running.run(needed, device=device).weights)
        comparisons.append(Comparison(recorded, _running.run(recorded.trial, given, device), device))
    return comparisons
