"""The embedded engine: Deequ's metrics on Parquet files, computed by DuckDB in this process."""
