"""The statistics of the leaderboard; see docs/statistics.md.

`variances` and `sharing` share variances among methods, `intervals` gives the interval of a mean
and of a difference, `comparisons` compares all methods of a task, `headline` those of a track,
`trials` makes curves from stored runs. The unit is the tuning replicate everywhere.
"""

from leaderboard.statistics.comparisons import (
    Comparisons,
    Pair,
    Rank,
    Verdict,
    holm,
    pool_methods,
    pool_pairs,
    task_comparisons,
)
from leaderboard.statistics.headline import (
    CLIP,
    SOLVED,
    Overall,
    TrackComparisons,
    beats,
    track_comparisons,
)
from leaderboard.statistics.intervals import (
    LEVEL,
    Difference,
    Interval,
    detectable_difference,
    difference,
    half_width,
    mean_interval,
    restricted_times,
)
from leaderboard.statistics.trials import expected_best, performance_profile
from leaderboard.statistics.variances import Floats, Prior, pool

__all__ = [
    "CLIP",
    "LEVEL",
    "SOLVED",
    "Comparisons",
    "Difference",
    "Floats",
    "Interval",
    "Overall",
    "Pair",
    "Prior",
    "Rank",
    "TrackComparisons",
    "Verdict",
    "beats",
    "detectable_difference",
    "difference",
    "expected_best",
    "half_width",
    "holm",
    "mean_interval",
    "performance_profile",
    "pool",
    "pool_methods",
    "pool_pairs",
    "restricted_times",
    "task_comparisons",
    "track_comparisons",
]
