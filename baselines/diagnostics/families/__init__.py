"""What several diagnostics share."""
