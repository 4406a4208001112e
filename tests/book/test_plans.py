from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelnoise.book import plans
from labelnoise.book.plan import by_estimators
from labelnoise.errors import InputError
from labelnoise.training import METHODS, OURS, PROTOCOL, WITH_GRAPH, protocol
from labelnoise.trials import tuning

PAPER = ["paper-0.5", "paper-0.6"]
CORRECTION = {
    "noises": PAPER,
    "models": ["lenet", "alexnet"],
    "methods": ["forward, true", "forward, anchor-97", "mixup", "hog-forward, true"],
    "seeds": 3,
}
LEARNERS = ["alternating", "t-revision", "volminnet", "total-variation"]
ESTIMATION = {"noises": PAPER, "model": "lenet", "seeds": 3}
EVERY = {
    "estimation": (plans.estimation, ESTIMATION | {"learners": LEARNERS}),
    "of sizes": (plans.of_sizes, ESTIMATION | {"images": [1000, 2000]}),
    "of networks": (plans.of_networks, {"noises": PAPER, "models": ["alexnet"], "seeds": 3}),
    "held out": (plans.held_out, ESTIMATION),
    "correction": (plans.correction, CORRECTION),
    "distorted": (
        plans.wrong_transitions,
        {"noises": PAPER, "distortions": ["towards-identity-0.5", "transposed"], "seeds": 2},
    ),
    "ablation": (plans.ablation, {"noises": PAPER, "seeds": 2}),
    "modern": (
        plans.modern,
        {
            "noises": PAPER,
            "seeds": 2,
            "methods": ["cross-entropy", "hog-labels", "hog-forward, true", "forward, alternating"],
        },
    ),
    "long": (plans.alike, {"settings": plans.LONG, "noises": PAPER, "seeds": 3}),
    "lengths": (plans.of_lengths, {"lengths": [2, 4], "noises": PAPER, "seeds": 3}),
    "warm": (plans.warm_starts, {"dataset": "fashion-mnist-3", "noises": PAPER, "epochs": [2, 4], "seeds": 3}),
    "precision": (plans.number_formats, {"noises": PAPER, "models": ["lenet", "alexnet"], "seeds": 3}),
}
every = pytest.mark.parametrize("name", EVERY)


def asked(name, **changes):
    """The trials of one of `EVERY`, as a chapter has them."""
    make, fields = EVERY[name]
    given = {"dataset": "fashion-mnist-3", "profile": "full"} | fields | changes
    return plans.Plan({"these": make(**given)}).trials


def subsets(values, least=1):
    return st.lists(st.sampled_from(values), min_size=least, unique=True)


ARMS = ["forward, true", "forward, anchor-97", "mixup", "volminnet", "hog-forward, anchor-max"]
corrections = st.fixed_dictionaries(
    {
        "noises": subsets([*PAPER, "pair-flip-0.3", "symmetric-0.2"]),
        "models": subsets(["lenet", "alexnet"]),
        "methods": subsets(ARMS),
        "seeds": st.integers(1, 4),
        "profile": st.sampled_from(["full", "smoke"]),
    }
)


def correction(parameters):
    return plans.Plan({"these": plans.correction(**parameters)}).trials


@every
def test_a_value_that_is_named_twice_is_asked_for_once(name):
    trials = asked(name)
    assert len({trial.key for trial in trials}) == len(trials)
    doubled = {key: value * 2 for key, value in EVERY[name][1].items() if isinstance(value, list)}
    assert asked(name, **doubled) == trials


@settings(deadline=None, max_examples=30)
@given(corrections)
def test_correction_has_as_many_trials_as_its_parameters_say(p):
    cells = (1 + len(p["noises"]) * (1 + len(p["methods"]))) * p["seeds"]
    assert Counter(trial.model for trial in correction(p)) == dict.fromkeys(p["models"], cells)


@settings(deadline=None, max_examples=30)
@given(corrections)
def test_every_arm_has_its_cross_entropy_partner_of_the_same_seed(p):
    trials = correction(p)
    plain = {(t.model, t.noise, t.seed) for t in trials if t.method == "cross-entropy"}
    assert {(t.model, t.noise, t.seed) for t in trials} == plain


def test_an_arm_is_reported_with_what_was_chosen_for_it_and_one_with_a_graph_as_a_refit(monkeypatch):
    best = replace(PROTOCOL["lenet"], epochs=5)
    options = (("alpha", 0.3),)
    monkeypatch.setattr(tuning, "chosen", lambda arm: tuning.Choice(best, options if arm.method == "mixup" else ()))
    for text in ("cross-entropy", "forward, true", "forward, anchor-97", "mixup", *WITH_GRAPH):
        method, source = plans.arm(text)
        asked = plans.chosen_trial(
            dataset="fashion-mnist-3", noise="paper-0.5", model="lenet", arm=(method, source), seed=0
        )
        assert (asked.method, asked.transition, asked.settings) == (method, source, best)
        assert asked.options == (options if method == "mixup" else None)
        assert asked.refit == (True if method in WITH_GRAPH else None)
        assert asked.base == (PROTOCOL["lenet"] if source == "anchor-97" else None)


def test_an_arm_is_a_method_and_what_it_takes_t_from():
    assert plans.arm("mixup") == ("mixup", None)
    assert plans.arm("forward") == ("forward", "true")
    assert plans.arm("t-revision") == ("t-revision", None)  # its T has no default
    assert plans.arm("forward, true, towards-identity-0.5") == ("forward", "true, towards-identity-0.5")


def test_every_distortion_stands_beside_the_true_matrix_and_none_of_the_same_seed():
    found = asked("distorted")
    sources = {t.transition for t in found}
    assert sources == {None, "true", "true, towards-identity-0.5", "true, transposed"}
    for source in sources:
        assert {(t.noise, t.seed) for t in found if t.transition == source} >= {(n, s) for n in PAPER for s in range(2)}


def test_each_part_of_our_recipe_is_left_out_in_turn():
    found = plans.ablation(noises=PAPER, seeds=2)
    assert len(found) == 4 * len(PAPER) * 2
    for whole, of_pixels, on_training_images, bare in zip(*[iter(found)] * 4, strict=True):
        assert (whole.method, whole.refit) == ("hog-forward", True)
        # The share of the whole recipe, and not the 0.5 that is the default with a graph of pixels.
        assert of_pixels == replace(whole, method="graph-forward", options=(("share", 0.75),))
        assert on_training_images == replace(whole, refit=None)
        assert bare == replace(whole, settings=replace(whole.settings, augmentation=None, averaging=None))


def test_in_modern_training_all_methods_have_the_same_settings_and_images_and_the_estimates_of_plain_training():
    found = asked("modern")
    assert {t.settings for t in found} == {protocol("fashion-mnist-3", "lenet", OURS)}
    assert {t.refit for t in found} == {True}
    of_t = {t.transition: t.base for t in found}
    assert of_t == {None: None, "true": None, "alternating": protocol("fashion-mnist-3", "lenet")}
    per_arm = Counter((t.noise, t.method, t.transition) for t in found)
    assert len(per_arm) == 2 * 4
    assert set(per_arm.values()) == {2}


def test_a_record_is_asked_for_the_estimators_of_the_chapters_that_read_it_alone():
    first, second, third = (plans.estimation(noises=[noise], model="lenet", seeds=2) for noise in ("clean", *PAPER))
    chapters = [plans.Plan({"a": first}, ["dual-t"]), plans.Plan({"b": second}), plans.Plan({"c": third}, ["dual-t"])]
    assert by_estimators(chapters) == [([*first, *third], {"dual-t"}), (second, frozenset())]


@settings(deadline=None, max_examples=30)
@given(corrections)
def test_the_clean_ceiling_of_every_network_and_seed_is_asked_for(p):
    trials = correction(p)
    ceiling = {(t.model, t.seed) for t in trials if t.noise == "clean" and t.method == "cross-entropy"}
    assert ceiling == {(t.model, t.seed) for t in trials}


@pytest.mark.parametrize(
    ("settings", "model"), [(plans.CONSTANT_SGD, "lenet"), (plans.GENTLE, "alexnet"), (plans.LONG, "lenet")]
)
def test_every_trial_with_settings_of_its_own_has_its_partner(settings, model):
    trials = asked("long", settings=settings, model=model)
    cells = {
        method: {(t.noise, t.seed) for t in trials if t.method == method} for method in ("cross-entropy", "forward")
    }
    assert cells["cross-entropy"] == cells["forward"] == {(noise, seed) for noise in PAPER for seed in range(3)}
    assert {(t.model, t.settings) for t in trials} == {(model, settings)}
    assert {(t.method, t.transition) for t in trials} == {("cross-entropy", None), ("forward", "true")}


def test_the_gentle_setting_has_half_the_default_rate_a_later_peak_and_more_epochs():
    default = PROTOCOL["alexnet"]
    gentle = replace(default, learning_rate=default.learning_rate / 2, schedule="one-cycle-late", epochs=10)
    assert gentle == plans.GENTLE


def test_estimation_asks_for_cross_entropy_on_each_noise_and_seed():
    trials = plans.estimation(**ESTIMATION)
    assert {(t.noise, t.seed) for t in trials} == {(noise, seed) for noise in PAPER for seed in range(3)}
    assert {(t.method, t.transition, t.model) for t in trials} == {("cross-entropy", None, "lenet")}


@settings(deadline=None, max_examples=30)
@given(corrections)
def test_seeds_count_from_zero_for_each_network(p):
    seeds = {model: {t.seed for t in correction(p) if t.model == model} for model in p["models"]}
    assert seeds == {model: set(range(p["seeds"])) for model in p["models"]}


@settings(deadline=None, max_examples=30)
@given(corrections)
def test_more_seeds_keep_the_trials_of_fewer(p):
    assert set(correction(p)) <= set(correction({**p, "seeds": p["seeds"] + 1}))


@every
def test_a_smoke_run_shares_no_key_with_a_full_one(name):
    full, smoke = asked(name), asked(name, profile="smoke")
    assert {(t.images, t.settings.epochs) for t in smoke} == {(600, 1)}
    assert {t.base.epochs for t in smoke if t.base} <= {1}
    assert not {t.key for t in full} & {t.key for t in smoke}
    assert 600 not in {t.images for t in full}


@every
def test_a_smoke_run_has_all_that_a_full_one_has_but_images_and_epochs(name):
    def rest(trial):
        fields = asdict(trial)
        del fields["images"]
        for each in (fields["settings"], fields["base"] or {"epochs": None}):
            del each["epochs"]
        return repr(fields)

    smoke = [rest(trial) for trial in asked(name, profile="smoke")]
    assert smoke == list(dict.fromkeys(rest(trial) for trial in asked(name)))


@every
def test_the_data_set_is_passed_on(name):
    trials = asked(name, noises=["symmetric-0.3"], dataset="fashion-mnist")
    assert {t.dataset for t in trials} == {"fashion-mnist"}


@every
@pytest.mark.parametrize("seeds", [0, -1])
def test_at_least_one_seed_is_needed(name, seeds):
    with pytest.raises(InputError, match=rf"at least one seed, not {seeds}\.$"):
        asked(name, seeds=seeds)


SAID = {("precision", "noises"): "precision_noises", ("warm", "epochs"): "warm_epochs", ("of networks", "models"):
        "further_models"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (name, key)
        for name, (_, fields) in EVERY.items()
        for key in ("noises", "models", "methods", "epochs", "images")
        if key in fields
    ],
)
def test_an_empty_list_is_named(name, key):
    with pytest.raises(InputError, match=rf"^{SAID.get((name, key), key)} is empty; pass at least one\.$"):
        asked(name, **{key: []})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noises": ["paper-0.7"]}, "Unknown noise 'paper-0.7'"),
        ({"models": ["resnet"]}, "Unknown model 'resnet'"),
        ({"methods": ["magic"]}, "Unknown method 'magic'"),
        ({"methods": ["forward, guess"]}, "can't take its transition matrix from 'guess'"),
        ({"dataset": "cifar-10"}, "Unknown data set 'cifar-10'"),
        ({"profile": "huge"}, "Unknown profile 'huge'"),
    ],
)
def test_what_is_not_known_is_named(change, message):
    with pytest.raises(InputError, match=message):
        plans.correction(**{**CORRECTION, **change})


@pytest.mark.parametrize("rate", [1.5, -0.1, float("nan")])
def test_a_rate_outside_of_0_to_1_is_named(rate):
    with pytest.raises(InputError, match=rf"A noise rate must lie in \[0, 1\], not {rate}"):
        plans.correction(**{**CORRECTION, "noises": ["symmetric-0.2", f"symmetric-{rate}"]})


def test_a_tiny_rate_is_taken():
    more = plans.correction(**{**CORRECTION, "noises": [*CORRECTION["noises"], "symmetric-1e-05"]})
    assert {trial.noise for trial in more} == {"clean", *CORRECTION["noises"], "symmetric-1e-05"}


def test_bfloat16_and_float32_are_paired_and_one_of_them_is_published():
    found = asked("precision")
    assert len(found) == 2 * 2 * 2 * 3
    halves = {p: [t for t in found if t.settings.precision == p] for p in ("bfloat16", "float32")}
    assert all(t.settings == PROTOCOL[t.model] for t in halves["bfloat16"])
    as_brain = [replace(t, settings=replace(t.settings, precision="bfloat16")) for t in halves["float32"]]
    assert as_brain == halves["bfloat16"]


def test_a_warm_start_shares_the_published_fit():
    warm = asked("warm")
    assert Counter(t.settings.epochs for t in warm) == {2: 6, 4: 6}
    assert {t.method for t in warm} == {"forward-warm"}
    assert {t.prerequisite() for t in warm} == set(plans.estimation(**ESTIMATION))


def test_own_data_need_a_file(tmp_path):
    plans.check_path(tmp_path)
    with pytest.raises(InputError, match=r"^There is no file none\.npz\.$"):
        plans.check_path(Path("none.npz"))


def test_a_plan_asks_for_the_trials_of_its_groups_once_and_for_estimators_that_there_are():
    few, more = plans.estimation(**ESTIMATION | {"seeds": 1}), plans.estimation(**ESTIMATION)
    plan = plans.Plan({"few": few, "more": more}, ["anchor-97", "hoc"])
    assert set(plan.trials) == set(more)
    assert len(plan.trials) == len(more)
    with pytest.raises(InputError, match="Unknown estimator 'magic'; use one of: anchor-max, "):
        plans.Plan({}, ["anchor-97", "magic"])
    with pytest.raises(InputError, match="estimators is empty"):
        plans.Plan({}, [])


def test_what_was_not_tuned_is_named():
    plans.check_tuned(PAPER, ["lenet"])
    with pytest.raises(
        InputError, match=r"lenet was not tuned on symmetric-0\.1; use .*lenet on paper-0\.5, lenet on pape"
    ):
        plans.check_tuned(["symmetric-0.1"], ["lenet"])
    with pytest.raises(InputError, match="models is empty"):
        plans.check_tuned(PAPER, [])


def test_methods_that_learn_t_share_the_fit_that_they_start_from():
    found, plain = asked("estimation"), plans.estimation(**ESTIMATION)
    assert Counter(t.method for t in found) == {"cross-entropy": 6, **dict.fromkeys(LEARNERS, 6)}
    for name in ("alternating", "t-revision"):
        assert {t.prerequisite() for t in found if t.method == name} == set(plain)
    assert {t.settings.epochs for t in found if t.method == "t-revision"} == {4}


def test_every_number_of_images_is_asked_for():
    assert Counter(t.images for t in asked("of sizes")) == {1000: 6, 2000: 6}


def test_held_out_trials_have_the_labels_of_the_plain_ones():
    plain = plans.estimation(**ESTIMATION)
    assert [replace(t, method="cross-entropy") for t in plans.held_out(**ESTIMATION)] == plain


@pytest.mark.parametrize(
    ("rates", "kind", "expected"),
    [([], "symmetric", PAPER), ([0.1, 0.3], "symmetric", ["symmetric-0.1", "symmetric-0.3"]),
     ([0.45], "pair-flip", ["pair-flip-0.45"]), ([0, 1], "instance", ["instance-0.0", "instance-1.0"])],
)  # fmt: skip
def test_rates_stand_in_place_of_noises_by_name(rates, kind, expected):
    assert plans.drawn(PAPER, rates, kind) == expected


@pytest.mark.parametrize("kind", ["pair-flip", "instance"])
def test_a_kind_of_noise_that_no_rate_draws_is_refused(kind):
    with pytest.raises(InputError, match=rf"^The noise_kind {kind} is drawn at noise_rates, .*; pass some, such as "):
        plans.drawn(PAPER, [], kind)


@pytest.mark.parametrize("name", [name for name, recipe in METHODS.items() if not recipe.learns_transition])
def test_a_learner_that_learns_no_t_is_refused(name):
    with pytest.raises(
        InputError, match=f"^{name} learns no T and can't be among the learners; use some of: .*t-revis"
    ):
        plans.estimation(**ESTIMATION | {"learners": [*LEARNERS, name]})


def test_trainings_of_other_chapters_keep_forward_correction_and_its_partner():
    given = asked("correction") + asked("distorted") + asked("correction")
    found = plans.forward_alone(given)
    assert len(found) == len({t.key for t in found})
    assert {t.method for t in given} > {"cross-entropy", "forward"}
    assert set(found) == {t for t in given if t.method in ("cross-entropy", "forward")}


def test_plain_training_has_the_methods_without_a_graph_and_always_one_to_compare():
    assert plans.of_plain_training(["mixup", "hog-labels", "hog-forward, true"]) == ["mixup"]
    assert plans.of_plain_training(["hog-labels"]) == ["forward, true"]
