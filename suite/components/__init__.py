"""Components: what a user submits; how it is declared, found and combined."""
