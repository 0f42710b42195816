"""`telemetry api`: the process that explains."""

import logging
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def api(  # pyright: ignore[reportUnusedFunction]
        open_reading: Annotated[bool, typer.Option(help="Reading needs no session on loopback (the demo).")] = False,
    ) -> None:
        """Serves HTTP, WebSocket and the page at TELEMETRY_HOST and TELEMETRY_PORT."""
        import uvicorn

        from api.app import create
        from telemetry import places, plant
        from telemetry.feed.client import Mirror
        from telemetry.supervisor.database import database_url

        configured = plant.load()
        served = create(configured, Mirror(places.feed_socket()), database_url, open_reading)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        uvicorn.run(
            served,
            host=places.host(),
            port=places.port(),
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
