"""OPC UA: asyncua owns session and security, what is read each second goes past its objects. Nothing is imported here."""
