"""The plant as configured: read from YAML, checked, resolved. `load` is the way in."""

from telemetry.plant.findings import Mistake
from telemetry.plant.load import ConfigError, Survey, load, survey
from telemetry.plant.model import Plant

__all__ = ["ConfigError", "Mistake", "Plant", "Survey", "load", "survey"]
