"""Results: the outcome of a study, as a checked file."""
