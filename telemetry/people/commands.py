"""`telemetry user`: list, add, remove."""

import typer


def register(app: typer.Typer) -> None:
    user = typer.Typer(help="Named users and their roles.", no_args_is_help=True)
    app.add_typer(user, name="user")

    @user.command("list")
    def list_() -> None:  # pyright: ignore[reportUnusedFunction]
        """Shows all users with their roles."""
        from telemetry.people import users

        found = users.all_users()
        for one in found.values():
            typer.echo(f"{one.name:20} {one.role}")
        if not found:
            typer.echo("There are no users yet: telemetry user add NAME ROLE")

    @user.command()
    def add(
        name: str, role: str, password: str = typer.Option(..., prompt=True, hide_input=True, confirmation_prompt=True)
    ) -> None:  # pyright: ignore[reportUnusedFunction]
        """Adds a user, or gives an existing one a new role and password."""
        from telemetry.people import users
        from telemetry.plant.load import load

        users.put(name, role, password, set(load().roles))
        typer.echo(f"{name} is now {role}.")

    @user.command()
    def remove(name: str) -> None:  # pyright: ignore[reportUnusedFunction]
        """Removes a user; what was done under that name stays recorded."""
        from telemetry.people import users

        users.remove(name)
        typer.echo(f"{name} can no longer sign in.")
