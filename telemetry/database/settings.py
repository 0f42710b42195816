"""PostgreSQL's configuration for a small machine that must not lose anything, written anew at every start."""

import os
from pathlib import Path
from typing import Final

_SETTINGS: Final = """\
# Written by telemetry at every start. Put changes of your own into local.conf beside this file.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 50
password_encryption = 'scram-sha-256'

shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 4
max_worker_processes = 12

shared_buffers = '128MB'
dynamic_shared_memory_type = '{shared_memory}'
work_mem = '8MB'
maintenance_work_mem = '64MB'
jit = off

fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = 'replica'
wal_compression = 'lz4'
max_wal_size = '1GB'
min_wal_size = '80MB'
checkpoint_timeout = '10min'

timezone = '{timezone}'
log_timezone = '{timezone}'
datestyle = 'iso, ymd'
lc_messages = 'C'

logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_rotation_age = '1d'
log_rotation_size = 0
log_truncate_on_rotation = on
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
log_min_duration_statement = '5s'

include 'local.conf'
"""

_LOCAL: Final = "# Settings of this machine's own; they override postgresql.conf, and telemetry never changes them.\n"

_CLIENTS: Final = """\
# Written by telemetry at every start: this machine only, and never without a password.
host  all          all       127.0.0.1/32  scram-sha-256
host  replication  postgres  127.0.0.1/32  scram-sha-256
"""


def write_settings(folder: Path) -> list[str]:
    """Write the files into `folder` and give the server's arguments that name them; an existing local.conf stays."""
    # PostgreSQL reads zones from the host's files, and without those knows this one name for UTC.
    timezone = "UTC" if Path("/usr/share/zoneinfo/UTC").exists() else "GMT"
    shared_memory = "posix" if os.access("/dev/shm", os.W_OK) else "mmap"
    server, clients, local = folder / "postgresql.conf", folder / "pg_hba.conf", folder / "local.conf"
    texts = {server: _SETTINGS.format(timezone=timezone, shared_memory=shared_memory), clients: _CLIENTS}
    if not local.exists():
        texts[local] = _LOCAL
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    return ["-c", f"config_file={server}", "-c", f"hba_file={clients}"]
