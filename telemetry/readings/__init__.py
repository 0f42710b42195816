"""Reading the past: one tag and window from database and archive as one, as arrays, in bounded memory."""
