"""Replaying: runs of a result again, from their seeds, to find out whether they took place."""
