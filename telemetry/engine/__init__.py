"""The process that warns: scans, evaluates, trips, annunciates, journals. No database connection at all."""
