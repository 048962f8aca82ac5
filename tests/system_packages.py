"""What the tests need beside Python packages: a Chromium that opens the leaderboard.

    python tests/system_packages.py

Says where it is. When there is none, installs Debian's if it may (root, apt-get); otherwise ends
with exit code 1 and says what to install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome; the variable CHROMIUM names one that is not on PATH."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return chosen
    return next(filter(None, map(shutil.which, NAMES)), None)


def install_chromium() -> bool:
    """Install Debian's package; whether that was possible."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-qy", "--no-install-recommends", "chromium"]):
        if subprocess.run(["apt-get", *arguments], env=settings).returncode != 0:
            return False
    return True


def main() -> int:
    """Find Chromium or install it; the exit code."""
    path = find_chromium()
    if path is None and install_chromium():
        path = find_chromium()
    if path is None:
        print(
            "The tests open the leaderboard in Chromium, and there is none on PATH.\n"
            "Install it (Debian, Ubuntu: `sudo apt-get install chromium`; others: from your\n"
            "distribution), or name one: `CHROMIUM=/path/to/chrome`. Then run this again.",
            file=sys.stderr,
        )
        return 1
    print(f"Chromium: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
