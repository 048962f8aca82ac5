"""Every component against an independent reference."""

from __future__ import annotations

import pytest

from suite.components import registry
from suite.components.discovery import declarations
from tests.golden.golden import TOLERANCE
from tests.golden.table import TABLE

LINES = [
    pytest.param(kind, name, golden, id=f"{kind}-{name}-{i}")
    for (kind, name), lines in TABLE.items()
    for i, golden in enumerate(lines)
]


@pytest.mark.parametrize(("kind", "name", "golden"), LINES)
def test_agrees_with_its_reference(kind, name, golden):
    found = golden.measure(kind, name)
    assert found <= TOLERANCE, f"{name} deviates by {found:.2g} from {golden.reference}"


@pytest.mark.parametrize("kind", registry.COMPONENT_KINDS)
def test_no_component_is_left_out(kind):
    # Of the repository alone: other tests register components of their own.
    names = {name for k, name in declarations()[0] if k == kind}
    assert names == {name for k, name in TABLE if k == kind}
