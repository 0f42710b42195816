"""Pretends to be the plant: physics, and the protocol faces that serve it on real sockets."""
