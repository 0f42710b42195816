"""The load form: a thousand devices, a hundred thousand values a second, from a part of one core."""
