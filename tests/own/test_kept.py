"""What was found on a set, kept and read again."""

import json

import numpy as np
import pytest

from labelnoise.own import kept
from labelnoise.own._choice import Choice, Score
from labelnoise.own.images import OwnSet
from labelnoise.own.kept import Findings
from labelnoise.statistics import Interval
from labelnoise.training import Epoch
from labelnoise.transitions import symmetric

ASKED = {"network": "lenet", "seed": 0}


@pytest.fixture
def own():
    images = np.random.default_rng(0).integers(255, size=(30, 1, 28, 28)).astype(np.uint8)
    return OwnSet(images, np.arange(30) % 3, ("a", "b", "c"), tuple(map(str, range(30))))


@pytest.fixture
def found(own):
    probs = np.random.default_rng(1).dirichlet(np.ones(3), size=30)
    epochs = (Epoch(1.0, 0.9, 0.5, 0.7, 0.1), Epoch(0.8, 0.95, 0.4, 0.8, 0.2))
    gain = Interval(0.1, 0.0, 0.2, 0.3, 6)
    scores = (Score("forward", 0.5, None), Score("cross-entropy", 0.4, gain))
    choice = Choice(scores, 6, False, (("hog-forward", "it takes more than 100 images"),))
    return Findings(own.noisy_labels, probs, symmetric(3, 0.3), np.full((3, 3), 0.01), epochs, 0, gain, choice, 0.9)


def test_what_was_kept_is_read_again_with_probabilities_to_seven_digits(tmp_path, own, found):
    kept.write(tmp_path, own, found, ASKED, {"processor": "p"})
    again = kept.read(tmp_path, own, ASKED)
    assert (again.history, again.best_epoch, again.gain) == (found.history, found.best_epoch, found.gain)
    assert (again.choice, again.test_accuracy) == (found.choice, 0.9)
    np.testing.assert_array_equal(again.transition_matrix, found.transition_matrix)
    np.testing.assert_array_equal(again.deviation, found.deviation)
    np.testing.assert_allclose(again.probs, found.probs, rtol=3e-7)
    np.testing.assert_allclose(again.judged.p_wrong, found.judged.p_wrong, atol=1e-6)


def test_nothing_is_read_of_another_question_or_set(tmp_path, own, found):
    assert kept.read(tmp_path, own, ASKED) is None
    kept.write(tmp_path, own, found, ASKED, {})
    assert kept.read(tmp_path, own, ASKED | {"seed": 1}) is None
    other = OwnSet(own.images, own.noisy_labels[::-1].copy(), own.class_names, own.image_names)
    assert kept.read(tmp_path, other, ASKED) is None


@pytest.mark.parametrize("name", [kept.FACTS, kept.PROBS])
def test_nothing_is_read_of_which_a_byte_has_changed(tmp_path, own, found, name):
    kept.write(tmp_path, own, found, ASKED, {})
    content = (tmp_path / name).read_bytes()
    whole = kept.read(tmp_path, own, ASKED)
    for place in range(0, len(content), 7):
        (tmp_path / name).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        read = kept.read(tmp_path, own, ASKED)
        assert read is None or repr(read) == repr(whole)  # as where white space or the name of the digest has changed
    (tmp_path / name).write_bytes(content[:-1])
    assert kept.read(tmp_path, own, ASKED) is None or name == kept.FACTS  # which ends in a line end


def test_facts_that_were_kept_before_they_had_a_digest_are_read(tmp_path, own, found):
    kept.write(tmp_path, own, found, ASKED, {})
    whole, facts = kept.read(tmp_path, own, ASKED), json.loads((tmp_path / kept.FACTS).read_bytes())
    del facts[kept.DIGEST]
    (tmp_path / kept.FACTS).write_text(json.dumps(facts))
    assert repr(kept.read(tmp_path, own, ASKED)) == repr(whole)
