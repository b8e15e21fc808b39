"""The audit desk: pages for people, rendered on the server."""

from projections.desk.pages import error_page, login_page, routes

__all__ = ["error_page", "login_page", "routes"]
