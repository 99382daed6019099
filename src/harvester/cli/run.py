"""`harvester run`: the service, in the foreground or as a daemon, with one process or several."""

from pathlib import Path
from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, QueuesOption, fail, show_version

Processes = Annotated[int, typer.Option(min=1, help="so many equal processes that share the work")]
Daemon = Annotated[bool, typer.Option("--daemon", help="leave the terminal once it is at work")]
Foreground = Annotated[bool, typer.Option("--foreground", help="stay in the terminal; the default")]
PidFileOption = Annotated[
    Path | None, typer.Option("--pid-file", "--pid", metavar="FILE", help="holds the pid, and is locked meanwhile")
]
HostnameFile = Annotated[
    Path | None, typer.Option("--hostname-file", "--hostname_file", metavar="FILE", help="gets the name of this host")
]
RotateLog = Annotated[bool, typer.Option("--rotate-log", "--rotate_log", help="begin new log files")]
Single = Annotated[bool, typer.Option("--single", help="let every agent look for work once, and end")]
Check = Annotated[bool, typer.Option("--check", help="only find out whether the service could start")]
Version = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version, and end")
]
ParentLineOption = Annotated[int | None, typer.Option(hidden=True)]
Listener = Annotated[list[int] | None, typer.Option(hidden=True)]


def run(
    config: ConfigOption = None,
    queues: QueuesOption = None,
    *,
    processes: Processes = 1,
    daemon: Daemon = False,
    foreground: Foreground = False,
    pid_file: PidFileOption = None,
    hostname_file: HostnameFile = None,
    rotate_log: RotateLog = False,
    single: Single = False,
    check: Check = False,
    version: Version = False,  # noqa: ARG001 (its callback has ended the program)
    parent_line: ParentLineOption = None,
    listener: Listener = None,
) -> None:
    """Run the service. SIGTERM, SIGUSR2 or Ctrl-C stops it cleanly, a second one at once; SIGHUP has it begin anew."""
    from harvester.startup.orders import Orders

    orders = Orders()  # before the imports that take their time
    if daemon and foreground:
        fail("--daemon and --foreground exclude each other", code=2)
    if single and (daemon or processes > 1):
        fail("--single is for one process in the foreground", code=2)
    from harvester.startup.launch import Launch, launch

    asked = Launch(
        config=[file.absolute() for file in config or ()],
        queues=queues and queues.absolute(),
        processes=processes,
        is_daemon=daemon,
        pid_file=pid_file and pid_file.absolute(),
        hostname_file=hostname_file and hostname_file.absolute(),
        rotates_logs=rotate_log,
        is_single=single,
        is_check=check,
        parent_line=parent_line,
        listeners=listener or (),
    )
    if code := launch(asked, orders):
        raise typer.Exit(code)
