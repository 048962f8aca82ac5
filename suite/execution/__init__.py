"""Execution: each trial in its own process."""
