"""Sensors: checks of what a device says is Good, and calibrations. What they find is told as quality, to all alike."""
