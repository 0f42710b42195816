"""Faces: the protocols by which simulated devices are seen, on real loopback sockets."""

from simulators.faces.face import Device, Face

__all__ = ["Device", "Face"]
