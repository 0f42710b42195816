"""Long keeping: closed days as signed Parquet files that anybody can read and prove without this service."""
