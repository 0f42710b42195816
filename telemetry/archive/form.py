"""The columns of an archive's Parquet files. They stay as they are: a file must be readable for as long as it is kept."""

from typing import Any, Final

import pyarrow as pa

Table = Any
"""A pyarrow.Table; pyarrow states no types."""
Batch = Any
"""A pyarrow.RecordBatch."""
US: Final = pa.timestamp("us", "UTC")

FRAMES: Final = pa.schema(
    [
        pa.field("time", US, nullable=False),
        pa.field("layout", pa.int64(), nullable=False),
        pa.field("received", US, nullable=False),
        pa.field("committed", US, nullable=False),
        pa.field("late", pa.bool_(), nullable=False),
        pa.field("source", pa.list_(US)),
        pa.field("quality", pa.list_(pa.int32())),
        pa.field("values", pa.list_(pa.float64()), nullable=False),
    ]
)
"""As the database's table frame: one row a layout and second, one row group a layout, ordered by time, then received."""

EVENTS: Final = pa.schema(
    [
        pa.field("writer", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("body", pa.string(), nullable=False),
        pa.field("previous", pa.binary(32), nullable=False),
        pa.field("hash", pa.binary(32), nullable=False),
    ]
)
"""As the database's table event, ordered by writer and number, with the time to the nanosecond that the hash covers."""

LAYOUTS_KEY: Final = b"telemetry.layouts"
"""Key in a file's metadata: JSON, layout id to its device, whether it is a record, its class, period, and its tags in order
with names, unit, kind and legend, so that the file can be read alone."""
