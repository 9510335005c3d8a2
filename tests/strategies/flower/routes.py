"""What the installed SuperLink serves."""

from fastapi.routing import iter_route_contexts
from flwr.superlink.main import create_app


def flowers_routes() -> set[str]:
    """Every path."""
    return {context.path for context in iter_route_contexts(create_app().routes)}
