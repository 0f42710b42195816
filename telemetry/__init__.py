"""Puts drivers and alarms together and remembers: configuration, engine, feed, journal, historian, console."""
