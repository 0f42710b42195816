"""Modbus over TCP, RTU over TCP and serial RTU: our own Protocol, frames as bytes. Nothing is imported here."""
