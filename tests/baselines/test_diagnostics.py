"""What every diagnostic must do: one table enrols it."""

from __future__ import annotations

import math
from functools import partial

import pytest

from suite.checking.diagnostics import film, price
from suite.checking.grounds import grounds
from suite.components import registry
from suite.diagnostics.measuring import measure
from suite.diagnostics.probe import Probe

ALL = {task.name.removeprefix("check_"): task for task in grounds()}
CLASSES = {"perceptron", "norm", "words", "stream"}
LAYERS = {*CLASSES, "curve"}
#: on which of the small problems each diagnostic has a value; on the others it says why not
WORKS_ON = {
    "attention_logit_growth": CLASSES,
    "circuit_efficiency": CLASSES,
    "coherence_alpha": set(ALL),
    "dormant_fraction": LAYERS,
    "feature_diversity": LAYERS,
    "feature_sparsity": LAYERS,
    "filter_norm_landscape": set(ALL),
    "forgetting_events": CLASSES - {"stream"},
    "gradient_direction_variance": set(ALL),
    "gradient_energy_core": LAYERS,
    "gradient_noise_scale": set(ALL),
    "gradient_snr_phases": set(ALL),
    "gradient_spike_score": set(ALL),
    "grokking_progress_measures": {"words"},
    "gwa": CLASSES,
    "hessian_bulk_outliers": set(ALL),
    "hessian_sharpness": set(ALL),
    "hessian_trace_stability": set(ALL),
    "layer_effective_dim": LAYERS,
    "layer_rotation": LAYERS,
    "lion_linf_bound": set(ALL),
    "lmc_barrier": set(ALL),
    "local_complexity": LAYERS - {"words"},
    "negative_flip_rate": CLASSES - {"stream"},
    "neural_collapse": CLASSES,
    "ngdm_l1_paradox": set(ALL),
    "ntk_drift": set(ALL),
    "opposing_signals": set(ALL),
    "outlier_alignment": set(ALL),
    "plasticity_probe": CLASSES,
    "rich_lazy_metrics": LAYERS,
    "roughness_index": LAYERS,
    "sam_eos_eigenvalue": set(ALL),
    "sgd_implicit_gen": set(ALL),
    "softmax_collapse": CLASSES,
    "tiny_subspace": set(ALL),
    "update_norms": set(ALL),
    "weight_distance_log": set(ALL),
}
NAMES = registry.names("diagnostic")


def test_the_table_has_every_diagnostic():
    assert sorted(WORKS_ON) == NAMES


@pytest.fixture(scope="module", params=ALL, ids=str)
def found(request):
    """The ground, and all diagnostics on it: in order, and in the opposite order."""
    shown = film(ALL[request.param], 3)
    diagnostics = [registry.get("diagnostic", name) for name in NAMES]
    weights = [t.clone() for t in shown.ground.model.state_dict().values()]
    both = [
        measure(some, shown.snapshots, shown.points, shown.ground)
        for some in (diagnostics, diagnostics[::-1])
    ]
    kept = zip(weights, shown.ground.model.state_dict().values(), strict=True)
    assert all(bool((one == other).all()) for one, other in kept)
    return request.param, *both


def test_it_works_where_the_table_says_and_says_why_it_does_not_elsewhere(found):
    ground, probed, _ = found
    for name in NAMES:
        columns = registry.get("diagnostic", name).columns
        there = [column for column in columns if column in probed.columns]
        note = probed.notes.get(name, "")
        if ground in WORKS_ON[name]:
            assert there, (name, note)
            assert note == "" or note.startswith("not finite"), (name, note)
        else:
            assert not there, name
            assert note.startswith("not applicable: "), (name, note)


def test_values_repeat_whatever_else_looks(found):
    """The opposite order, and so other shared computations before it, changes no digit."""
    _, first, second = found
    assert first.columns == second.columns
    assert first.notes == second.notes


def test_values_are_finite(found):
    _, probed, _ = found
    for column, values in probed.columns.items():
        assert all(value is None or math.isfinite(value) for value in values), column


@pytest.mark.parametrize("name", NAMES)
def test_it_computes_what_its_cost_says(name):
    diagnostic = registry.get("diagnostic", name)
    ground = next(g for g in ("perceptron", "words") if g in WORKS_ON[name])
    counted = price(diagnostic, ALL[ground])
    assert counted <= 1.5 * diagnostic.cost + 0.5
    if not diagnostic.cheap:  # a price is not stated far too high either
        assert counted >= diagnostic.cost / 5


def test_the_cheap_ones_share_a_forward_pass(monkeypatch):
    calls = []
    own = Probe.compared
    monkeypatch.setattr(Probe, "compared", lambda *given: calls.append(1) or own(*given))
    shown = film(ALL["perceptron"], 3)
    cheap = [d for d in map(partial(registry.get, "diagnostic"), NAMES) if d.cheap]
    found = measure(cheap, shown.snapshots, shown.points, shown.ground)
    assert len(found.columns) > len(cheap)
    assert len(calls) == len(shown.snapshots)
