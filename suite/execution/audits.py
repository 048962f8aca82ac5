"""Cached audits: one audit of a method for each version of its code, task and hyperparameters."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import torch
from pydantic import ValidationError

from suite import atomic
from suite.components.fingerprints import suite_hash
from suite.home import home
from suite.results.model import AuditRecord
from suite.training.trial import Trial


def kept_audit(trial: Trial) -> AuditRecord | None:
    """The cached audit of the trial's method, if there is one."""
    try:
        return AuditRecord.model_validate_json(_place(trial).read_bytes())
    except (OSError, ValidationError):
        return None


def keep_audit(trial: Trial, record: AuditRecord) -> None:
    """Cache an audit for later trials; without a cache folder each trial is audited."""
    if not trial.sources:  # it is not known which code was measured
        return
    place = _place(trial)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(place, lambda file: file.write(record.model_dump_json().encode("utf-8")))


def _place(trial: Trial) -> Path:
    said = [trial.task, trial.components, trial.audited, trial.sources, trial.device]
    text = json.dumps([*said, suite_hash(), torch.__version__])
    return home() / "audits" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
