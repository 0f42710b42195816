"""How to talk: profiles, registers and protocols. What a driver gives is a Frame; it knows nothing of alarms or storage."""
