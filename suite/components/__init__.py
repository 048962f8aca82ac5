"""Components: what a person submits, how it is declared, found and put together."""
