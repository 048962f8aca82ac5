"""Whether a component leaves alone what is not its own, and can train tensors of any kind."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from suite.checking.bench import Bench, placed
from suite.checking.grounds import complex_numbers, shapes
from suite.checking.verdict import Verdict
from suite.checking.walk import Walk, all_finite
from suite.training.batch_source import Batch

_STEPS = 6


def check_without_gradient(bench: Bench) -> Iterator[Verdict]:
    """A parameter whose gradient is None keeps its bits."""
    title = "no gradient"

    added = nn.Linear(4, 3)

    def add_unused(model: nn.Module) -> None:
        model.unused = added

    walk = bench.walk(change_model=add_unused)
    with placed(*bench.home, ", where a layer is not used"):
        walk.start()
        before = _values(added)
        had = False
        for _ in range(_STEPS):
            walk.step()
            had = had or any(p.grad is not None for p in added.parameters())
    walk.close()
    same = all(map(torch.equal, before, _values(added)))
    if same:
        yield Verdict(title, "ok", "a layer that is not used keeps its bits")
    elif had:
        yield Verdict(title, "ok", "it gives every parameter a gradient, by a term of the loss")
    elif not walk.objective.called:
        seen = "the method uses no gradients: it cannot know which parameters have none"
        yield Verdict(title, "not applicable", seen)
    elif not bench.subject.is_optimizer:
        yield Verdict(title, "note", "a layer that is not used changes: it acts on all weights")
    else:
        yield Verdict(
            title,
            "problem",
            "a layer that is not used changes, although its gradients are None",
            "Skip parameters whose `.grad` is None, for weight decay, too.",
        )


def check_frozen(bench: Bench) -> Iterator[Verdict]:
    """A parameter that does not require a gradient keeps its bits."""
    title = "frozen"
    kept: list[Tensor] = []
    layers: list[nn.Module] = []

    def freeze(model: nn.Module) -> None:
        layer = next(
            m for m in model.modules() if next(m.parameters(recurse=False), None) is not None
        )
        layer.requires_grad_(False)
        layers.append(layer)
        kept.extend(_values(layer))

    task = bench.home[1]
    if len(list(task.problem.model().parameters())) < 3:
        yield Verdict(title, "not applicable", "its ground has too few parameters to freeze one")
        return
    walk = bench.walk(change_model=freeze)
    with placed(*bench.home, ", where the first layer is frozen"):
        walk.trajectory(_STEPS)
    # A layer that is computed from factors has its values up to rounding.
    same = torch.allclose if parametrize.is_parametrized(layers[0]) else torch.equal
    if all(map(same, kept, _values(layers[0]))):
        yield Verdict(title, "ok", "a frozen layer keeps its bits")
        return
    yield Verdict(
        title,
        "problem",
        "a layer with requires_grad=False changes",
        "Change only parameters that you are given, or whose `requires_grad` is true.",
    )


def _values(layer: nn.Module) -> list[Tensor]:
    """A layer's weight and bias as it uses them, computed from factors if it is reparametrized."""
    tensors = [getattr(layer, name, None) for name in ("weight", "bias", "weights", "scale")]
    return [t.detach().clone() for t in tensors if isinstance(t, Tensor)]


def check_shapes(bench: Bench) -> Iterator[Verdict]:
    """Tensors of 0 to 4 dimensions are trained, and keep their shapes."""
    title = "shapes"
    task = shapes()
    way, home = bench.home
    if home.stream:
        yield Verdict(title, "not applicable", "it needs a stream, and its tensors are matrices")
        return
    walk = Walk(way, task)
    after = dict(walk.module.named_parameters())
    before = {name: p.detach().clone() for name, p in after.items()}
    with placed(way, task):
        walk.start()
        for _ in range(_STEPS):
            walk.step()
            changed = [n for n, p in before.items() if after[n].shape != p.shape]
            if changed:
                seen = f"{changed[0]} has another shape after a step"
                yield Verdict(title, "problem", seen, "Restore the shape of what you flatten.")
                return
        walk.close()
    if not all_finite(walk.module):
        name = next(n for n, p in after.items() if not p.isfinite().all())
        seen = f"{name}, of shape {tuple(after[name].shape)}, is not finite after {_STEPS} steps"
        cure = "See what is divided by a norm, a deviation or a count of this tensor."
        yield Verdict(title, "problem", seen, cure)
        return
    still = [n for n, p in before.items() if torch.equal(p, after[n])]
    if still and bench.subject.is_optimizer:
        listed = ", ".join(f"{n} {tuple(before[n].shape)}" for n in still)
        seen = f"did not move in {_STEPS} steps: {listed}"
        cure = "Train every tensor: those that the rule does not cover by another rule."
        yield Verdict(title, "warning", seen, cure)
        return
    yield Verdict(title, "ok", "tensors of 0 to 4 dimensions, single entries, rows and columns")


def check_bfloat16(bench: Bench) -> Iterator[Verdict]:
    """Weights of bfloat16 stay so, are finite and move."""
    title = "bfloat16"

    def in_bfloat16(number: int, batch: Batch) -> Batch:
        found = [t.bfloat16() if t.is_floating_point() else t for t in batch]
        return found[0], found[1]

    values: dict[str, object] = {}
    for attempt in range(2):
        walk = bench.walk(
            change_model=lambda model: model.bfloat16(), change_batch=in_bfloat16, values=values
        )
        with placed(*bench.home, ", in bfloat16"):
            before = [p.detach().clone() for p in walk.module.parameters()]
            after = list(walk.module.parameters())
            walk.start()
            for _ in range(_STEPS):
                walk.step()
                others = [p.dtype for p in after if p.dtype != torch.bfloat16]
                if others:
                    seen = f"weights of bfloat16 became {others[0]}"
                    cure = "Write into parameters in place: p.copy_(new)."
                    yield Verdict(title, "problem", seen, cure)
                    return
        walk.close()
        if not all_finite(walk.module):
            seen = f"weights are not finite after {_STEPS} steps"
            cure = "Compute what is divided or inverted in float32."
            yield Verdict(title, "problem", seen, cure)
            return
        if not all(map(torch.equal, before, after)):
            yield Verdict(title, "ok", "finite, and weights move")
            return
        space = bench.subject.component.search.get("lr")
        if attempt == 0 and space is not None and space.high is not None:
            values = {"lr": space.high}
        else:
            break
    seen = f"no weight moves in {_STEPS} steps: each is rounded away"
    yield Verdict(title, "warning", seen, "Keep a copy of the weights in float32 in the state.")


def check_complex(bench: Bench) -> Iterator[Verdict]:
    """Complex parameters: few optimizers need them."""
    title = "complex"
    if not bench.subject.is_optimizer:
        yield Verdict(title, "not applicable", "a question for optimizers")
        return
    way, home = bench.home
    if home.stream:
        yield Verdict(title, "not applicable", "it needs a stream")
        return
    task = complex_numbers()
    walk = Walk(way, task)
    with placed(way, task):
        walk.start()
        for _ in range(_STEPS):
            walk.step()
    walk.close()
    outcome = all_finite(walk.module)
    yield Verdict(title, "ok" if outcome else "warning", "finite" if outcome else "not finite")
