"""The audit: counted operations against what is charged."""

from __future__ import annotations

from suite.results.model import AuditRecord
from suite.training.trial import Trial


def measure(trial: Trial) -> AuditRecord:
    """Count the operations of a trial's method, with the hyperparameters `trial.audited`."""
    raise NotImplementedError
