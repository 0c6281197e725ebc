"""The catalogue: one file, one step."""
