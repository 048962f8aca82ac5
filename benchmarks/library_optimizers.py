"""Libraries' implementations of the rules of our optimizers, given our defaults and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_optimizer as po
import torch
from torch import nn

from baselines.optimizers.families.low_rank import rank_of
from baselines.optimizers.families.matrices import is_matrix

#: make(parameters, h), with our hyperparameters as attributes of h
Make = Callable[[list[nn.Parameter], Any], torch.optim.Optimizer]


def two_groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    """The groups that pytorch-optimizer's methods for matrices want: ours."""
    matrices = [p for p in parameters if is_matrix(p)]
    others = [p for p in parameters if not is_matrix(p)]
    return [{"params": matrices, "use_muon": True}, {"params": others, "use_muon": False}]


def low_rank(parameters: list[nn.Parameter], h: Any, scale: float) -> list[dict[str, Any]]:
    """Hidden matrices with our rank and interval; a library's filters have dense Adam."""
    matrices = [p for p in parameters if is_matrix(p) and p.ndim == 2]
    others = [p for p in parameters if not (is_matrix(p) and p.ndim == 2)]
    rank = rank_of(matrices[0], h.rank)
    how = {"rank": rank, "update_proj_gap": h.interval, "scale": scale, "projection_type": "std"}
    return [{"params": others}, {"params": matrices, **how}]


def rmsprop(parameters: list[nn.Parameter], h: Any, **form: bool) -> torch.optim.Optimizer:
    given = {"lr": h.lr, "alpha": h.alpha, "momentum": h.momentum}
    return torch.optim.RMSprop(parameters, **given, eps=1e-8, **form)


def radam(parameters: list[nn.Parameter], h: Any, **form: bool) -> torch.optim.Optimizer:
    given = {"lr": h.lr, "betas": (0.9, h.beta2), "weight_decay": h.weight_decay}
    return torch.optim.RAdam(parameters, **given, decoupled_weight_decay=True, **form)


def nadam(parameters: list[nn.Parameter], h: Any, **form: bool) -> torch.optim.Optimizer:
    given = {"lr": h.lr, "betas": (h.beta1, 0.999), "weight_decay": h.weight_decay}
    return torch.optim.NAdam(parameters, **given, decoupled_weight_decay=True, **form)


def adafactor(parameters: list[nn.Parameter], h: Any, **form: bool) -> torch.optim.Optimizer:
    given = {"lr": h.lr, "beta2_decay": -0.8, "eps": (1e-15, 1e-3), "d": h.clip}
    return torch.optim.Adafactor(parameters, **given, weight_decay=0.0, **form)


def po_adafactor(parameters: list[nn.Parameter], h: Any, **form: bool) -> torch.optim.Optimizer:
    given = {"lr": h.lr, "betas": (None, 0.999), "clip_threshold": h.clip}
    return po.AdaFactor(parameters, **given, relative_step=False, **form)


def with_loop(
    make: Callable[..., torch.optim.Optimizer],
) -> dict[str, Make]:
    """pytorch-optimizer's form by default, and its loop over the tensors."""
    return {
        "pytorch-optimizer": lambda p, h: make(p, h),
        "pytorch-optimizer loop": lambda p, h: make(p, h, foreach=False),
    }


def sgd(parameters: list[nn.Parameter], h: Any, **form: bool) -> torch.optim.Optimizer:
    given = {"momentum": h.momentum, "nesterov": h.nesterov, "weight_decay": h.weight_decay}
    return torch.optim.SGD(parameters, lr=h.lr, **given, **form)


#: Name to libraries' implementations of the same rule, with our defaults. Not here, as they compute
#: something else: pytorch-optimizer's APOLLO, which scales the projected gradient and projects it
#: back, where the paper scales the gradient itself.
LIBRARIES: dict[str, dict[str, Make]] = {
    "adam": {
        "torch": lambda p, h: torch.optim.Adam(p, lr=h.lr),
        "torch fused": lambda p, h: torch.optim.Adam(p, lr=h.lr, fused=True),
    },
    "adamw": {
        "torch fused": lambda p, h: torch.optim.AdamW(
            p, lr=h.lr, weight_decay=h.weight_decay, fused=True
        ),
        "pytorch-optimizer": lambda p, h: po.AdamW(p, lr=h.lr, weight_decay=h.weight_decay),
    },
    "sgd": {"torch": sgd, "torch fused": lambda p, h: sgd(p, h, fused=True)},
    "amsgrad": {"torch fused": lambda p, h: torch.optim.Adam(p, lr=h.lr, amsgrad=True, fused=True)},
    "nadam": {"torch": nadam, "torch foreach": lambda p, h: nadam(p, h, foreach=True)},
    "radam": {
        "torch": radam,
        "torch foreach": lambda p, h: radam(p, h, foreach=True),
        **with_loop(
            lambda p, h, **form: po.RAdam(
                p,
                lr=h.lr,
                betas=(0.9, h.beta2),
                weight_decay=h.weight_decay,
                degenerated_to_sgd=True,
                **form,
            )
        ),
    },
    "adagrad": {
        "torch": lambda p, h: torch.optim.Adagrad(p, lr=h.lr),
        "torch fused": lambda p, h: torch.optim.Adagrad(p, lr=h.lr, fused=True),
    },
    "rmsprop": {"torch": rmsprop, "torch foreach": lambda p, h: rmsprop(p, h, foreach=True)},
    "adafactor": {
        "torch": adafactor,
        "torch foreach": lambda p, h: adafactor(p, h, foreach=True),
        **with_loop(po_adafactor),
    },
    "adabelief": with_loop(
        lambda p, h, **form: po.AdaBelief(
            p, lr=h.lr, weight_decay=h.weight_decay, eps=h.eps, **form
        )
    ),
    "adan": with_loop(
        lambda p, h, **form: po.Adan(p, lr=h.lr, weight_decay=h.weight_decay, **form)
    ),
    "adopt": with_loop(
        lambda p, h, **form: po.ADOPT(
            p,
            lr=h.lr,
            betas=(0.9, h.beta2),
            weight_decay=h.weight_decay,
            weight_decouple=True,
            **form,
        )
    ),
    "ademamix": with_loop(
        lambda p, h, **form: po.AdEMAMix(
            p,
            lr=h.lr,
            betas=(0.9, 0.999, h.beta3),
            alpha=h.alpha,
            t_alpha_beta3=1_000,
            weight_decay=h.weight_decay,
            weight_decouple=True,
            **form,
        )
    ),
    "diffgrad": with_loop(
        lambda p, h, **form: po.DiffGrad(p, lr=h.lr, betas=(0.9, h.beta2), **form)
    ),
    "grams": with_loop(
        lambda p, h, **form: po.Grams(
            p, lr=h.lr, betas=(0.9, h.beta2), weight_decay=h.weight_decay, **form
        )
    ),
    "came": with_loop(
        lambda p, h, **form: po.CAME(
            p, lr=h.lr, betas=(0.9, 0.999, h.beta3), weight_decay=h.weight_decay, **form
        )
    ),
    "spam": with_loop(
        lambda p, h, **form: po.SPAM(
            p,
            lr=h.lr,
            weight_decay=h.weight_decay,
            threshold=h.threshold,
            update_proj_gap=h.interval,
            **form,
        )
    ),
    "stable_spam": with_loop(
        lambda p, h, **form: po.StableSPAM(
            p,
            lr=h.lr,
            gamma1=h.gamma1,
            weight_decay=h.weight_decay,
            update_proj_gap=h.interval,
            **form,
        )
    ),
    "novograd": with_loop(
        lambda p, h, **form: po.NovoGrad(
            p, lr=h.lr, betas=(0.95, h.beta2), weight_decay=h.weight_decay, **form
        )
    ),
    "mars_adamw": with_loop(
        lambda p, h, **form: po.MARS(
            p, lr=h.lr, gamma=h.gamma, weight_decay=h.weight_decay, optimize_1d=True, **form
        )
    ),
    "ranger21": with_loop(
        lambda p, h, **form: po.Ranger21(
            p,
            num_iterations=1_000,
            lr=h.lr,
            weight_decay=h.weight_decay,
            use_softplus=False,
            normalize_gradients=False,
            **form,
        )
    ),
    "lion": with_loop(
        lambda p, h, **form: po.Lion(p, lr=h.lr, weight_decay=h.weight_decay, **form)
    ),
    "schedule_free": with_loop(
        lambda p, h, **form: po.ScheduleFreeAdamW(
            p, lr=h.lr, betas=(h.beta1, 0.999), weight_decay=h.weight_decay, **form
        )
    ),
    "sgdw": with_loop(
        lambda p, h, **form: po.SGDW(
            p, lr=h.lr, momentum=h.momentum, weight_decay=h.weight_decay, **form
        )
    ),
    "signsgd_momentum": with_loop(
        lambda p, h, **form: po.SignSGD(p, lr=h.lr, momentum=h.momentum, **form)
    ),
    # vectors have plain SGD there: they are few
    "lars": with_loop(
        lambda p, h, **form: po.LARS(
            p, lr=h.lr, momentum=h.momentum, weight_decay=h.weight_decay, **form
        )
    ),
    "lamb": with_loop(
        lambda p, h, **form: po.Lamb(
            p, lr=h.lr, weight_decay=h.weight_decay, weight_decouple=False, **form
        )
    ),
    "prodigy": with_loop(
        lambda p, h, **form: po.Prodigy(p, lr=h.lr, weight_decay=h.weight_decay, **form)
    ),
    "dadapt_adam": with_loop(
        lambda p, h, **form: po.DAdaptAdam(
            p, lr=h.lr, weight_decay=h.weight_decay, weight_decouple=True, **form
        )
    ),
    "muon": with_loop(
        lambda p, h, **form: po.Muon(
            two_groups(p),
            lr=h.lr,
            weight_decay=h.weight_decay,
            adamw_lr=h.adamw_lr,
            adamw_wd=h.weight_decay,
            **form,
        )
    ),
    "normuon": with_loop(
        lambda p, h, **form: po.NorMuon(
            two_groups(p),
            lr=h.lr,
            weight_decay=h.weight_decay,
            adamw_lr=h.adamw_lr,
            adamw_wd=h.weight_decay,
            **form,
        )
    ),
    "scion": with_loop(
        lambda p, h, **form: po.SCION(p, lr=h.lr, scale=h.radius, constraint=h.constrained, **form)
    ),
    "soap": {
        "pytorch-optimizer": lambda p, h: po.SOAP(
            p,
            lr=h.lr,
            weight_decay=h.weight_decay,
            precondition_frequency=h.interval,
            max_precondition_dim=1024,
        )
    },
    # its momentum mixes the gradient with the preconditioned one of the step before: no more work
    "shampoo": {
        "pytorch-optimizer": lambda p, h: po.Shampoo(
            p,
            lr=h.lr,
            momentum=h.momentum,
            weight_decay=h.weight_decay,
            weight_decouple=True,
            preconditioning_compute_steps=20,
        )
    },
    "galore": with_loop(
        lambda p, h, **form: po.GaLore(
            low_rank(p, h, 0.25), lr=h.lr, weight_decay=h.weight_decay, eps=1e-8, **form
        )
    ),
}
