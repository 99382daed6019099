"""Harvester in the processes of a web server: `application` for Apache's mod_wsgi and for uWSGI.

Importing this module starts all agents in this process, which share the work with those of the other processes, as on
several hosts. The web server says how many processes there are, and ends and replaces them; the application answers
workers meanwhile (core reference §7.4, docs/services.md).
"""

from harvester.startup.hosting import find_host
from harvester.startup.loading import load
from harvester.startup.served import Served
from harvester.startup.starting import introduce, prepare

_host = find_host()
_configuration = load(None, None, is_start=True)
prepare(_configuration)
introduce(_configuration)
application = Served(_configuration, _host.stop_seconds)
_host.at_the_end(application.stop)
application.start()
