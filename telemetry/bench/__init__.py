"""Measurements: our figure and a baseline's from one run, alternating, results compared equal, against a stated bound."""
