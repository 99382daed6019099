"""The errors of Harvester's own making; every message names the thing, the place and the next step."""


class HarvesterError(Exception):
    """Base of all errors that Harvester raises on purpose."""


class IllegalTransitionError(HarvesterError):
    """A status change that the state machine refuses."""
