"""What training on a set found, and how it is kept: its page can be drawn again without training, on any processor."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelnoise import training
from labelnoise._files import write_whole
from labelnoise.estimators import Floats, Judged, wrong_labels
from labelnoise.noise import Labels
from labelnoise.own._choice import Choice, Score
from labelnoise.own.images import OwnSet
from labelnoise.statistics import Interval
from labelnoise.transitions import Matrix

if TYPE_CHECKING:
    from torch import nn

FACTS, PROBS = "sample.json", "sample.npz"
DIGEST = "facts_sha256"


@dataclass(frozen=True)
class Findings:
    """What came of training on noisy labels, without the networks.

    Attributes:
        noisy_labels: of the images, shape (n,).
        probs: P(clean | x) of each image by networks that did not see its label, shape (n, n_classes).
        transition_matrix: T by alternating likelihood, shape (n_classes, n_classes).
        deviation: of each of its entries.
        history: of the network that is handed over, before it learned from the images held out too.
        best_epoch: its index in the history.
        gain: in accuracy over cross-entropy with the same settings, by the noisy labels that are held out; None if
            that is the method, or if T lets these labels tell nothing.
        choice: which methods were compared, and what for which was taken; None if there was one alone.
        test_accuracy: of the network on clean test images, a fraction; None without such.
    """

    noisy_labels: Labels
    probs: Floats
    transition_matrix: Matrix
    deviation: Matrix
    history: tuple[training.Epoch, ...]
    best_epoch: int
    gain: Interval | None
    choice: Choice | None = None
    test_accuracy: float | None = None

    @cached_property
    def judged(self) -> Judged:
        """How likely each label is wrong, and what it should rather be."""
        return wrong_labels(self.probs, self.noisy_labels, self.transition_matrix, steps=0)

    @cached_property
    def pred_probs(self) -> Floats:
        """P(noisy | x) by the same networks and T, shape (n, n_classes)."""
        return self.probs @ self.transition_matrix


@dataclass(frozen=True, kw_only=True)
class Trained(Findings):
    """What came of training on noisy labels, with the network that is handed over.

    Attributes:
        network: after training on all images.
        scale: the mean and deviation by which images were normalised.
    """

    network: nn.Module
    scale: tuple[float, float]


def _of_set(own: OwnSet, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked, and of which images and labels."""
    digests = {
        f"{name}_sha256": hashlib.sha256(np.ascontiguousarray(array, dtype=kind).tobytes()).hexdigest()
        for name, array, kind in (("images", own.images, np.uint8), ("labels", own.noisy_labels, "<i8"))
    }
    return {**asked, **digests}


def write(folder: Path, own: OwnSet, found: Findings, asked: Mapping[str, Any], provenance: Mapping[str, str]) -> None:
    """Keep what was found in two files of a folder: probabilities as float32 in one, all else as JSON in the other.

    Args:
        folder: where to.
        own: the set.
        found: what came of training on it.
        asked: by what network, method, seed and so on, as JSON has it; `read` compares it.
        provenance: what the bits depend on besides.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, probs=found.probs.astype(np.float32))
    facts = {
        "asked": _of_set(own, asked),
        "provenance": dict(provenance),
        "transition_matrix": found.transition_matrix.tolist(),
        "deviation": found.deviation.tolist(),
        "history": [dataclasses.asdict(epoch) for epoch in found.history],
        "best_epoch": found.best_epoch,
        "gain": found.gain and dataclasses.asdict(found.gain),
        "choice": found.choice and dataclasses.asdict(found.choice),
        "test_accuracy": found.test_accuracy,
        "probs_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    facts[DIGEST] = _digest(facts)
    write_whole(folder / PROBS, buffer.getvalue())
    write_whole(folder / FACTS, (json.dumps(facts, indent=1) + "\n").encode())


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def read(folder: Path, own: OwnSet, asked: Mapping[str, Any]) -> Findings | None:
    """What a folder keeps of a set, or None if it keeps nothing of this set for what is asked, or is damaged.

    Args:
        folder: where `write` wrote to.
        own: the set.
        asked: as it was given to `write`.
    """
    try:
        facts, content = json.loads((folder / FACTS).read_bytes()), (folder / PROBS).read_bytes()
        stated = facts.pop(DIGEST, None)  # which older facts do not have
        whole = stated in (None, _digest(facts)) and facts["probs_sha256"] == hashlib.sha256(content).hexdigest()
    except (OSError, ValueError, KeyError):  # not there, or no longer JSON with what is looked for
        return None
    if not whole or facts["asked"] != _of_set(own, asked):
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        probs = arrays["probs"].astype(np.float64)
    return Findings(
        noisy_labels=own.noisy_labels,
        probs=probs / probs.sum(axis=1, keepdims=True),  # they were rounded
        transition_matrix=np.array(facts["transition_matrix"]),
        deviation=np.array(facts["deviation"]),
        history=tuple(training.Epoch(**epoch) for epoch in facts["history"]),
        best_epoch=facts["best_epoch"],
        gain=facts["gain"] and Interval(**facts["gain"]),
        choice=_choice(facts.get("choice")),
        test_accuracy=facts.get("test_accuracy"),
    )


def _choice(facts: dict[str, Any] | None) -> Choice | None:
    if facts is None:
        return None
    scores = tuple(Score(**each | {"ahead": each["ahead"] and Interval(**each["ahead"])}) for each in facts["scores"])
    left_out = tuple((name, reason) for name, reason in facts["left_out"])
    return Choice(**facts | {"scores": scores, "left_out": left_out})
