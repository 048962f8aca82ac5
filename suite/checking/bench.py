"""The bench: walks of one component, each taken once, for all of its checks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from suite.checking.grounds import grounds, longer
from suite.checking.subject import Subject, Way
from suite.checking.verdict import Verdict
from suite.checking.walk import Shown, Walk
from suite.components.search import Value
from suite.errors import NotApplicable
from suite.problems.task import Task
from suite.training.reasons import frame_of, reason_of


class Bench:
    """What the checks of a component share."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._walks: dict[object, list[Shown]] = {}
        #: whether a hyperparameter is known to change something
        self.acts = False
        #: what the component printed
        self.printed = ""

    @functools.cached_property
    def home(self) -> tuple[Way, Task]:
        """Where most checks try it: the first ground that it can work on, and the method there.

        Raises NotApplicable with the first reason if there is none.
        """
        first: NotApplicable | None = None
        for task in grounds():
            for way in self.subject.ways:
                try:
                    self.walked(way, task)
                except NotApplicable as error:
                    first = first or error
                else:
                    return way, task
        raise first or NotApplicable("there is nothing to try it on")

    def places(self) -> Iterator[tuple[Way, Task]]:
        """Every method on every ground, home first; without those that it cannot work on."""
        home = self.home
        yield home
        for task in grounds():
            for way in self.subject.ways:
                if (way, task) != home:
                    try:
                        self.walked(way, task, steps=6)
                    except NotApplicable:
                        continue
                    yield way, task

    @contextmanager
    def alone(self) -> Iterator[Bench]:
        """Inside, the optimizer of a method of several parts without the others."""
        subject = self.subject.without_parts()
        if subject is self.subject:
            yield self
            return
        with subject.registered():
            yield Bench(subject)

    def walked(
        self,
        way: Way,
        task: Task,
        values: Mapping[str, Value] | None = None,
        steps: int | None = None,
    ) -> list[Shown]:
        """The first steps of a walk, or all: taken once."""
        key = way.names, task.name, task.budget, tuple(sorted((values or {}).items()))
        found = self._walks.get(key, [])
        if len(found) < (steps or round(task.gradient_evaluations)):
            found = self._walks[key] = Walk(way, task, values).trajectory(steps)
        return found

    def walk(self, **how: object) -> Walk:
        """A new walk at home; `how` are the arguments of `Walk`."""
        way, task = self.home
        return Walk(way, task, **how)  # type: ignore[arg-type]

    def long(self, steps: int) -> tuple[Way, Task]:
        """Home with another number of steps."""
        way, task = self.home
        return way, longer(task, steps)


Ask = Callable[[Bench], Iterator[Verdict]]


def of_optimizers(title: str, why_not: str) -> Callable[[Ask], Ask]:
    """A check of optimizers alone: without the other parts of a method of several parts."""

    def decorate(ask: Ask) -> Ask:
        @functools.wraps(ask)
        def asked(bench: Bench) -> Iterator[Verdict]:
            if not bench.subject.is_optimizer:
                yield Verdict(title, "not applicable", why_not)
                return
            with bench.alone() as alone:
                yield from ask(alone)

        return asked

    return decorate


def at(way: Way, task: Task) -> str:
    """A place in words: "on a perceptron, around SGD"."""
    return f"on {task.summary}" + (f", {way.said}" if way.said else "")


def raised(error: BaseException) -> str:
    """An error in one line, with the place and the line of source."""
    text = reason_of(error)
    frame = frame_of(error)
    return f"{text}: `{frame.text}`" if frame is not None and frame.text else text


class placed:  # noqa: N801, used as a function
    """Inside, an error says where the component was tried.

    A class: a generator would turn a StopIteration of the component into another error.
    """

    def __init__(self, way: Way, task: Task, also: str = "") -> None:
        self._where = f"{at(way, task)}{also}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, NotApplicable):
            error.add_note(self._where)
