"""Reliability, measured: kills, damaged files, full disks, hostile texts: docs/reliability.md."""
