"""The engine's one internal feed: a snapshot, then numbered deltas; commands in, results out. MessagePack on a Unix socket."""
