"""Write the fingerprint of every task's current version into fingerprints.json.

Run it from the repository's root after a task was added or given a new version:
python -m tests.tasks.record_fingerprints
"""

from __future__ import annotations

import json
from pathlib import Path

from suite.components import registry

FILE = Path(__file__).with_name("fingerprints.json")


def main() -> None:
    """Add to what is known; older versions stay on record."""
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for task in registry.load_all("task")[0]:
        known.setdefault(task.name, {})[str(task.version)] = task.fingerprint
    FILE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
