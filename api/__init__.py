"""Answers people: HTTP, WebSocket, sessions, and the page."""
