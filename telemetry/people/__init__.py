"""Named users with roles and passwords."""
