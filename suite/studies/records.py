"""Records: a task, a method and a protocol as they go into a result."""

from __future__ import annotations

from suite.components.method import Method
from suite.components.registry import Component
from suite.problems.task import Task
from suite.results.model import (
    ComponentRecord,
    DistributionRecord,
    MethodRecord,
    ProtocolRecord,
    TaskRecord,
)
from suite.studies.protocol import StudyRules
from suite.studies.sweep import grid_record
from suite.studies.tuning import sampler_record


def task_record(task: Task, rules: StudyRules) -> TaskRecord:
    """A task under the rules of a protocol."""
    score, budget = task.score, task.budget_under(rules.budget_fraction)
    return TaskRecord(
        name=task.name,
        version=task.version,
        fingerprint=task.fingerprint,
        track=task.track,
        batch_size=task.batch_size,
        budget=float(budget),
        score=score.kind,
        metric=score.metric,
        higher_is_better=score.higher_is_better,
        target=task.target,
        hold=score.hold,
        worst=score.worst_score(budget / task.batch_size),
        family=task.family,
        stream=task.stream,
        core=task.core,
    )


def method_record(method: Method) -> MethodRecord:
    """A method and its components."""
    components = [_component_record(component) for component in method.components]
    return MethodRecord(name=method.name, components=components)


def _component_record(component: Component) -> ComponentRecord:
    return ComponentRecord(
        kind=component.kind,
        name=component.name,
        version=component.version,
        source_hash=component.source_hash,
        paper=component.paper,
        url=component.url,
        search_space={
            name: DistributionRecord.model_validate(distribution.to_json())
            for name, distribution in component.search.items()
        },
        authors=list(component.authors),
        extra_work=component.extra_work,
    )


def protocol_record(rules: StudyRules) -> ProtocolRecord:
    """A protocol and its sampler."""
    return ProtocolRecord(
        name=rules.name,
        version=rules.version,
        replicates=rules.replicates,
        trials=rules.trials,
        seeds=rules.seeds,
        generation=rules.generation,
        budget_fraction=rules.budget_fraction,
        ranked=rules.ranked,
        sampler=grid_record(rules.swept) if rules.swept else sampler_record(rules.sampler),
    )
