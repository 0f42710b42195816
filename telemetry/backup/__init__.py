"""A copy of everything that a plant needs to go on elsewhere: database, journal, archive, configuration, and apart the keys."""
