"""The door alone under the built-in server, as a process: prints its address, and ends when its standard input does."""

import sys
from pathlib import Path

import structlog

from door_app import door_of
from harvester.web.embedded import EmbeddedServer
from instance import read_settings
from loopback import free_socket


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    config = Path(sys.argv[1])
    with EmbeddedServer(door_of(config), read_settings(config).frontend, sockets=[free_socket()]) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
