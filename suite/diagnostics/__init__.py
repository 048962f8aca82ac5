"""Diagnostics: numbers along a run that say why a method does what it does; they decide nothing."""
