"""Execution: trials in processes of their own."""
