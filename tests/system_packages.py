"""What the tests need beside Python packages: a Chromium and, where possible, Slurm and bubblewrap.

    python tests/system_packages.py

Says where they are. What is missing is installed from Debian's packages if that is allowed (root,
apt-get). Without a Chromium, which opens the leaderboard, it ends with exit code 1 and says what to
install. Without a Slurm the tests of `--on slurm` are skipped, without bubblewrap those of pull
requests, each with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: programs of Slurm and of munge, which it trusts
SLURM = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "munged")

#: the sandbox in which a submission's methods run
BUBBLEWRAP, BUBBLEWRAP_PACKAGE = "bwrap", "bubblewrap"


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome; the variable CHROMIUM names one that is not on PATH."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return chosen
    return next(filter(None, map(shutil.which, NAMES)), None)


def missing_slurm() -> list[str]:
    """The programs of Slurm that are not on PATH."""
    return [name for name in SLURM if shutil.which(name) is None]


def install(*packages: str) -> bool:
    """Install Debian's packages; whether that was possible."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *packages]):
        if subprocess.run(["apt-get", *arguments], env=settings).returncode != 0:
            return False
    return True


def main() -> int:
    """Find what is needed or install it; the exit code."""
    path = find_chromium()
    if path is None and install("chromium"):
        path = find_chromium()
    if missing_slurm():
        install("slurm-wlm", "munge")
    if shutil.which(BUBBLEWRAP) is None:
        install(BUBBLEWRAP_PACKAGE)
    if shutil.which(BUBBLEWRAP) is None:
        print("bubblewrap: not here, so the tests of pull requests are skipped")
    missing = missing_slurm()
    print(f"Slurm: {f'no {missing[0]}, so its tests are skipped' if missing else 'installed'}")
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
