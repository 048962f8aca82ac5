"""Diagnostics: numbers along a run that say why a method does what it does; they decide nothing."""

#: at how many evaluations of a run they look, if nothing else is said: with it, the cheap ones
#: together add less than a tenth to a trial (`python -m scripts.time_diagnostics`)
POINTS = 5
