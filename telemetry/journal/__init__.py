"""The journal: two append-only, checksummed streams of each writer, events and frames. What it holds is what happened."""
