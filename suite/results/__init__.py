"""Results: what a study leaves behind, as a checked file."""
