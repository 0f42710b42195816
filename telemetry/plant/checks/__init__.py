"""Checks across the files of a plant, one subject a file. Each takes the Whole and adds what it finds."""
