"""Prints which machine this is: `python -m suite.clusters.machine PACKAGE...`.

The environment of a result, with the versions of these packages, and the GPU if there is one.
"""

from __future__ import annotations

import sys

import torch

from suite.components.fingerprints import versions
from suite.results import environment


def main() -> None:
    """Print it as JSON."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(environment.record(device, versions(sys.argv[1:])).model_dump_json())


if __name__ == "__main__":
    main()
