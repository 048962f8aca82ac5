"""Every registered component passes every check of `suite check`, except the runs on tasks."""

from __future__ import annotations

import pytest

from suite.checking.checks import CHECKS, INFORMATION, check_component
from suite.components import registry
from suite.components.discovery import declarations

TITLES = [check.title for check in CHECKS if check.title not in INFORMATION]
#: of the repository alone: other tests register components of their own
COMPONENTS = sorted(key for key in declarations()[0] if key[0] in registry.COMPONENT_KINDS)


@pytest.mark.parametrize(("kind", "name"), COMPONENTS, ids=lambda value: value)
def test_component(kind: str, name: str) -> None:
    component = registry.get(kind, name)
    problems = [v for v in check_component(component, titles=TITLES) if v.failed]
    said = "\n".join(f"  {v.check}: {v.seen}\n    {v.cure}" for v in problems)
    assert not problems, f"\n{kind} {name}, {component.path}:\n{said}"
