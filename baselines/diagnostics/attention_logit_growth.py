"""Growth of attention logits and of output logits, which announce instabilities."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from suite import NotApplicable, Probe, diagnostic

from .families.gradients import gradient


def attention_logit_growth(probe: Probe) -> dict[str, float | None]:
    """Largest attention logit q k / sqrt(d), mean log Z of the outputs, RMS gradient over epsilon.

    Z is the sum of exp of the output logits. The last is the root mean square of the gradient over
    the optimizer's epsilon: below 1, epsilon takes over in Adam. Attention that does not go through
    torch's scaled_dot_product_attention is not seen; without any, the first is None.
    """
    with _attention_logits() as logits, torch.no_grad():
        outputs = probe.outputs()
    if not logits and probe.classes is None:
        raise NotApplicable("the model has neither attention nor scores of classes")
    over = None
    epsilons = {settings.get("eps") for settings in probe.now.settings.values()}
    (epsilon,) = epsilons if len(epsilons) == 1 else (None,)
    if epsilon:
        over = float(gradient(probe).square().mean().sqrt()) / epsilon
    scores = probe.classes is not None
    return {
        "attention": max(logits) if logits else None,
        "log_z": float(outputs.logsumexp(-1).mean()) if scores else None,
        "gradient_over_eps": over,
    }


@contextmanager
def _attention_logits() -> Iterator[list[float]]:
    """Inside, the largest logit of every call of torch's attention is kept."""
    found: list[float] = []
    own = nn.functional.scaled_dot_product_attention

    def watched(query: Tensor, key: Tensor, *rest: Any, **named: Any) -> Tensor:
        scale = named.get("scale") or query.shape[-1] ** -0.5
        logits = query @ key.transpose(-2, -1) * scale
        if named.get("is_causal"):
            hidden = torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1)
            logits = logits.masked_fill(hidden.to(logits.device), -torch.inf)
        found.append(float(logits.max()))
        return own(query, key, *rest, **named)

    nn.functional.scaled_dot_product_attention = watched
    try:
        yield found
    finally:
        nn.functional.scaled_dot_product_attention = own


diagnostic(
    "attention_logit_growth",
    attention_logit_growth,
    paper="Wortsman et al. 2023, Small-scale proxies for large-scale Transformer training "
    "instabilities",
    url="https://arxiv.org/abs/2309.14322",
    unit={"attention": "logit", "log_z": "nats", "gradient_over_eps": "ratio"},
    cost=1.5,
)
