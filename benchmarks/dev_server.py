"""The development server in a process of its own; prints its address and serves until it is told to stop."""

import signal

from harvester.panda.devserver import DevServer


def main() -> None:
    with DevServer(port=0, adder_delay=0.1) as server:
        print(server.origin, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
