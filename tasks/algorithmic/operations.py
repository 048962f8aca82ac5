"""Operations modulo a prime beyond addition: small tables on which networks grok within seconds.

Power et al. 2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets".
Its x^2 + xy + y^2 does not grok at this size and is a full task.
"""

from __future__ import annotations

from suite import task

from .networks import TwoEmbeddings
from .tables import ModularTable, grokking

SOURCE = "Power et al. 2022; scaled down to grok within seconds on one core"

subtraction = ModularTable("subtraction", 37, TwoEmbeddings(64), train=0.75)
task(
    "modular_subtraction",
    subtraction,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Grokking: learn a - b mod 37 from 75 % of the table, full batch.",
    source=SOURCE,
    **grokking(subtraction, steps=1500),
)

multiplication = ModularTable("multiplication", 37, TwoEmbeddings(64), train=0.75)
task(
    "modular_multiplication",
    multiplication,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Grokking: learn a * b mod 37 from 75 % of the table, full batch.",
    source=SOURCE,
    **grokking(multiplication, steps=1500),
)

division = ModularTable("division", 37, TwoEmbeddings(64), train=0.75)
task(
    "modular_division",
    division,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Grokking: learn a / b mod 37 from 75 % of the table, full batch.",
    source=SOURCE,
    **grokking(division, steps=1500),
)
