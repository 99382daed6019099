"""The faces of Harvester that speak HTTP: one WSGI application, and the server that is built in."""
