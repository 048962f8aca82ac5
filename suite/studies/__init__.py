"""Studies: the tuning of one method on one task, and its evaluation runs."""
