"""Starts the service's processes, keeps them running, ends them all."""
