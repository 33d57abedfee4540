"""People and programs: passwords, sessions and API tokens of those who use the dashboard and the API."""
