"""Metrics of continual learning, each with the formula of the paper that defines it.

Tasks j and evaluations n are counted from 0; k tasks have begun. `matrix[i][j]` is the accuracy on
task j after training on task i, and the last row belongs to the task that is learned now.
`curve[n][j]` is the accuracy on task j at evaluation n, where evaluation 0 is before training, and
`ends[j]` the evaluation at which training on task j was over, for every task before the current
one. Metrics that compare with earlier tasks are 0 while there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

Matrix = Sequence[Sequence[float]]


def task_ends(progress: Sequence[float], tasks: int) -> list[int]:
    """For every task before the current one, the first evaluation at which it was over.

    `progress` is the share of the budget at each evaluation, of which every task has an equal part.
    A step belongs to the task that it began in: the evaluation that follows the end of a task is
    still that task's own, even if its last step reached past the end.
    """
    last = len(progress) - 1
    firsts = (
        next((n for n, share in enumerate(progress) if share >= task / tasks - 1e-9), last)
        for task in range(1, tasks)
    )
    return [n for n in firsts if n < last]


def average_accuracy(matrix: Matrix) -> float:
    """Accuracy now, mean over the tasks so far: (1/k) sum_{j <= k} a_kj (Chaudhry et al. 2018)."""
    return fmean(matrix[-1][: len(matrix)])


def learning_accuracy(matrix: Matrix) -> float:
    """Accuracy on each task right after its training: mean_{j <= k} a_jj.

    Riemer et al. 2019, "Learning to Learn without Forgetting by Maximizing Transfer and Minimizing
    Interference". It falls over a long sequence if plasticity is lost.
    """
    return fmean(row[j] for j, row in enumerate(matrix))


def forgetting(matrix: Matrix) -> float:
    """How far accuracy fell from its best: mean_{j < k} (max_{l < k} a_lj - a_kj).

    Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning", eq. 3. Negative if a task is
    now better than it ever was at the end of an earlier one.
    """
    *before, now = matrix
    drops = [max(row[j] for row in before) - now[j] for j in range(len(before))]
    return fmean(drops) if drops else 0.0


def backward_transfer(matrix: Matrix) -> float:
    """How later tasks changed earlier ones: mean_{j < k} (a_kj - a_jj).

    Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory for Continual Learning", eq. 3.
    """
    *before, now = matrix
    changes = [now[j] - row[j] for j, row in enumerate(before)]
    return fmean(changes) if changes else 0.0


def forward_transfer(matrix: Matrix, initial: Sequence[float]) -> float:
    """Gain of a later task from earlier tasks, before its training: mean_{1<j<=k} (a_(j-1)j - b_j).

    Lopez-Paz and Ranzato 2017, eq. 4. b_j is the accuracy on task j at initialization.
    """
    gains = [row[j] - initial[j] for j, row in enumerate(matrix[:-1], start=1)]
    return fmean(gains) if gains else 0.0


def average_anytime_accuracy(curve: Matrix, ends: Sequence[int]) -> float:
    """Mean over all evaluations since training began of the accuracy on the tasks so far.

    Caccia et al. 2022, "New Insights on Reducing Abrupt Representation Change in Online Continual
    Learning". Before training it is the accuracy on the first task.
    """
    if len(curve) == 1:
        return curve[0][0]
    seen = [1 + sum(end < n for end in ends) for n in range(1, len(curve))]
    return fmean(fmean(row[:k]) for row, k in zip(curve[1:], seen, strict=True))


def min_acc(curve: Matrix, ends: Sequence[int]) -> float:
    """Worst accuracy on earlier tasks since their training: mean_{j < k} min_{n > ends_j} a_nj.

    De Lange et al. 2023, "Continual evaluation for lifelong learning: Identifying the stability
    gap", eq. 1; `curve` has an evaluation after every step.
    """
    worst = [min(row[j] for row in curve[end + 1 :]) for j, end in enumerate(ends)]
    return fmean(worst) if worst else 0.0


def wc_acc(curve: Matrix, ends: Sequence[int]) -> float:
    """Worst-case accuracy: (1/k) a_nk + (1 - 1/k) min-ACC (De Lange et al. 2023, eq. 3)."""
    tasks = len(ends) + 1
    return curve[-1][tasks - 1] / tasks + (1 - 1 / tasks) * min_acc(curve, ends)
