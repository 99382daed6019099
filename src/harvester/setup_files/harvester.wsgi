# What Apache's mod_wsgi loads, written by `harvester init`: the agents run in its daemon processes, which answer workers too.
from harvester.wsgi import application  # noqa: F401
