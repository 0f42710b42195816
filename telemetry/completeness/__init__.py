"""What is missing, or not Good, of a tag in a window of time: how much, from when to when, and why."""
