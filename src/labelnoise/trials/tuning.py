"""Settings chosen by noisy labels alone: as many tries for every method, network and noise."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # not its submodules, so that trials can be planned without them

from labelnoise.data import entry
from labelnoise.names import nominal_rate
from labelnoise.training import Settings, method, protocol
from labelnoise.trials._ledger import Ledger
from labelnoise.trials._progress import Progress
from labelnoise.trials._sweep import sweep
from labelnoise.trials._trial import Record, Trial

TRIES = 6  # configurations of every arm
SEEDS = range(1000, 1002)  # none of them is reported
STANDARD_ERRORS = 2.0  # by which a try must be better than the protocol to replace it
CHOSEN = Path(__file__).with_name("tuned.json")  # written by benchmarks/tuning.py

# What is searched, on a logarithmic scale: the rate and the epochs relative to the protocol's.
RELATIVE_RATE = (0.25, 4.0)
RELATIVE_EPOCHS = (0.5, 1.5)
WEIGHT_DECAY = (1e-3, 1e-1)


@dataclass(frozen=True)
class Arm:
    """What is tuned apart from all else: a method with its source of T, on a data set, with a noise and a network."""

    dataset: str
    noise: str
    model: str
    method: str
    transition: str | None = None


@dataclass(frozen=True)
class Choice:
    """A configuration: settings of the training, and options of the method's own, in the order of their names."""

    settings: Settings
    options: tuple[tuple[str, float], ...] = ()

    def trial(self, arm: Arm, seed: int) -> Trial:
        """The arm with this configuration.

        The T that it is given is read from a fit with the default settings, whatever is tuned.
        """
        base = protocol(arm.dataset, arm.model)
        asked = Trial(**dataclasses.asdict(arm), seed=seed, settings=self.settings, options=self.options or None)
        return dataclasses.replace(asked, base=base) if asked.prerequisite() and self.settings != base else asked


Losses = Mapping[Arm, Mapping[Choice, Sequence[float]]]  # as `losses` gives them


def chosen(arm: Arm) -> Choice:
    """The configuration with which the book reports an arm, from `CHOSEN`.

    Where the arm itself was not tuned: that of the same method on the same data set and network,
    whatever its source of T, at the nearest noise rate; failing that, the default settings.
    Options at their defaults are left out.
    """
    return with_options(arm, _nearest(arm))


def with_options(arm: Arm, choice: Choice) -> Choice:
    """The configuration without options that are the defaults, so that one training has one name."""
    return Choice(choice.settings) if choice.options == untuned(arm).options else choice


def _nearest(arm: Arm) -> Choice:
    choices = _chosen()
    if arm in choices:
        return choices[arm]
    alike = {
        other: choice
        for other, choice in choices.items()
        if (other.dataset, other.model, other.method) == (arm.dataset, arm.model, arm.method)
    }
    if not alike:
        return Choice(protocol(arm.dataset, arm.model, arm.method))
    n_classes = entry(arm.dataset).n_classes
    rate = nominal_rate(arm.noise, n_classes)

    def distance(other: Arm) -> tuple[float, bool]:
        return abs(nominal_rate(other.noise, n_classes) - rate), other.transition != arm.transition

    return alike[min(alike, key=distance)]


def arms() -> list[Arm]:
    """Those that were tuned."""
    return list(_chosen())


@functools.cache
def _chosen() -> dict[Arm, Choice]:
    return read_chosen(CHOSEN.read_text())


def read_chosen(text: str) -> dict[Arm, Choice]:
    """What `write_chosen` has written."""
    found = {}
    for row in json.loads(text):
        options = tuple((name, value) for name, value in row["options"])
        found[Arm(**row["arm"])] = Choice(Settings(**row["settings"]), options)
    return found


def write_chosen(choices: Mapping[Arm, Choice]) -> str:
    """Arms and their configurations as JSON, one line each."""
    rows = [json.dumps({"arm": dataclasses.asdict(arm), **dataclasses.asdict(c)}) for arm, c in choices.items()]
    return "[\n" + ",\n".join(sorted(rows)) + "\n]\n"


def score(records: Iterable[Record]) -> float:
    """The mean loss of noisy validation labels, after T and a temperature are fitted, in nats; the lower the better."""
    losses = [record.refitted_loss for record in records]
    return float(np.mean([np.nan if loss is None else loss for loss in losses]))


def study(
    arms: Sequence[Arm], ledger: Ledger, *, tries: int = TRIES, progress: Callable[[Progress], None] | None = None
) -> None:
    """Try as many configurations of each arm, proposed by Optuna, the first of them the protocol with its defaults.

    What is proposed depends on the arm and on the scores so far alone, so a study that was stopped
    goes on where it was, and one that is finished trains nothing.

    Args:
        arms: what to tune, side by side.
        ledger: where the trials are recorded.
        tries: configurations of each arm.
        progress: as `trials.sweep` takes it, once a round.
    """
    import optuna  # an extra of the package; only a new study needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    studies = []
    for arm in arms:
        seed = int.from_bytes(hashlib.sha256(repr(arm).encode()).digest()[:4], "big")
        made = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5))
        made.enqueue_trial(_default(arm))
        studies.append(made)
    for _ in range(tries):
        asked = [made.ask() for made in studies]
        choices = [_choice(arm, one) for arm, one in zip(arms, asked, strict=True)]
        trials_of = [[choice.trial(arm, seed) for seed in SEEDS] for arm, choice in zip(arms, choices, strict=True)]
        sweep([trial for trials in trials_of for trial in trials], ledger, progress=progress)
        for made, one, trials in zip(studies, asked, trials_of, strict=True):
            made.tell(one, score(record for trial in trials if (record := ledger.find(trial)) is not None))


def losses(records: Iterable[Record]) -> dict[Arm, dict[Choice, list[float]]]:
    """Arm to the configurations that were tried on all seeds, each with its `Record.refitted_loss` by seed."""
    found: dict[Arm, dict[Choice, dict[int, float]]] = {}
    for record in records:
        asked = record.trial
        if asked.seed in SEEDS and record.refitted_loss is not None:
            arm = Arm(asked.dataset, asked.noise, asked.model, asked.method, asked.transition)
            by_seed = found.setdefault(arm, {}).setdefault(Choice(asked.settings, asked.options or ()), {})
            by_seed[asked.seed] = record.refitted_loss
    return {
        arm: {choice: [by[seed] for seed in SEEDS] for choice, by in choices.items() if len(by) == len(SEEDS)}
        for arm, choices in found.items()
    }


def tried(by_arm: Losses) -> dict[Arm, list[tuple[Choice, float]]]:
    """Arm to the configurations that were tried on all seeds, each with its score; the best first."""
    scores = {arm: [(c, float(np.mean(each))) for c, each in by.items()] for arm, by in by_arm.items()}
    return {arm: sorted(tries, key=lambda one: one[1]) for arm, tries in scores.items() if tries}


def standard_error(by_arm: Losses) -> float:
    """Of a try's score less the protocol's, in nats: the median over all tries of what seeds tell, made a normal's.

    The median, as a useless try varies more than one that could be chosen.

    Args:
        by_arm: as `losses` gives it, of arms that share data set, noise and network.
    """
    spreads = []
    for arm, by_choice in by_arm.items():
        for choice, each in by_choice.items():
            if choice != untuned(arm) and untuned(arm) in by_choice:
                spreads.append(np.std(np.subtract(each, by_choice[untuned(arm)]), ddof=1) / len(each) ** 0.5)
    freedom = len(SEEDS) - 1
    return float(np.median(spreads) / (scipy.stats.chi.ppf(0.5, freedom) / freedom**0.5))


def settled(by_arm: Losses, tries: int = TRIES) -> dict[Arm, Choice]:
    """What to report each arm with that has had its tries: the best, or the protocol if that is not clearly worse.

    The best of several tries that are all as good is a lucky one. So the protocol stays unless it is worse by more
    than `STANDARD_ERRORS` standard errors, in the spirit of the one-standard-error rule (Breiman et al. 1984,
    Classification and regression trees, section 3.4.3).
    """
    found = {}
    for arm, scores in tried(by_arm).items():
        alike = {
            o: by for o, by in by_arm.items() if (o.dataset, o.noise, o.model) == (arm.dataset, arm.noise, arm.model)
        }
        if len(scores) >= tries and untuned(arm) in dict(scores):
            gain = dict(scores)[untuned(arm)] - scores[0][1]
            found[arm] = scores[0][0] if gain > STANDARD_ERRORS * standard_error(alike) else untuned(arm)
    return found


def untuned(arm: Arm) -> Choice:
    """The first configuration of an arm: the protocol, and the defaults of the method's own options."""
    defaults = {name: option.default for name, option in method(arm.method).options.items()}
    return Choice(protocol(arm.dataset, arm.model, arm.method), tuple(sorted(defaults.items())))


def _default(arm: Arm) -> dict[str, Any]:
    first = untuned(arm)
    settings = {"weight_decay": first.settings.weight_decay, "epochs": first.settings.epochs}
    return {"relative_rate": 1.0, **settings, **dict(first.options)}


def _choice(arm: Arm, asked: Any) -> Choice:
    base = protocol(arm.dataset, arm.model, arm.method)

    def suggest(name: str, bounds: tuple[float, float]) -> float:
        return float(f"{asked.suggest_float(name, *bounds, log=True):.3g}")

    settings = dataclasses.replace(
        base,
        learning_rate=float(f"{suggest('relative_rate', RELATIVE_RATE) * base.learning_rate:.3g}"),
        weight_decay=suggest("weight_decay", WEIGHT_DECAY),
        epochs=asked.suggest_int("epochs", *(round(share * base.epochs) for share in RELATIVE_EPOCHS), log=True),
    )
    options = {name: suggest(name, (known.low, known.high)) for name, known in method(arm.method).options.items()}
    return Choice(settings, tuple(sorted(options.items())))
