"""A small PanDA-compatible server on loopback: as strict, and as odd, as the real one."""

from harvester.panda.devserver.access import Access
from harvester.panda.devserver.control import DevControl
from harvester.panda.devserver.faults import Fault, FaultKind
from harvester.panda.devserver.server import DevServer, run_dev_server

__all__ = ["Access", "DevControl", "DevServer", "Fault", "FaultKind", "run_dev_server"]
