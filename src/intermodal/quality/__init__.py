"""Data quality in Deequ's vocabulary.

Analyzers, constraints and checks are data (`analyzers`, `checks`, `assertion`), read from JSON by `suite`. An engine
(`engine`; `embedded` runs on DuckDB) computes the metrics, `evaluation` puts the assertions to them, `verification`
runs it all, `document` tells it. What differs from Deequ, and why, stands in `differences`.
"""
