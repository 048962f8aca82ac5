"""Checking: what every component must do, tried in small on a component alone."""
