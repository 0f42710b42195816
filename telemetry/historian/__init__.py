"""The process that keeps: follows the journal into TimescaleDB, exactly once, whatever dies."""
