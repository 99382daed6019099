"""Planted mistakes, each of which `check` has to find in its line, and examples in which it finds nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harvester.config.check import Finding, PluginBlock, PluginProblem, Severity, check

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
ENVIRON = {"HOME": "/nonexistent", "PRESENT": "there", "NUMBER": "30"}

MAIN = """\
[master]
harvester_id = unit
[pandacon]
server_api_url_ssl = http://127.0.0.1:25080/api/v1
"""
GOOD_QUEUE = """{
    "mapType": "NoJob",
    "maxWorkers": 5,
    "submitter": {"plugin": "local"}, "monitor": {"plugin": "local"}, "sweeper": {"plugin": "local"},
    "workerMaker": {"plugin": "simple"}, "preparator": {"plugin": "dummy"}, "stager": {"plugin": "dummy"},
    "messenger": {"plugin": "shared_file", "accessPoint": "/w/${workerID}"}
}"""
ONE_LINE = " ".join(GOOD_QUEUE.split())
QUEUES = f'{{"GOOD": {GOOD_QUEUE}}}'


@dataclass(frozen=True)
class Mistake:
    """A mistake, the text of the line it stands in, and what the finding must say."""

    what: str
    line_with: str | None
    key: str
    says: str
    main: str = ""
    queues: str = QUEUES
    severity: Severity = Severity.ERROR
    whole_main: str | None = None


def queue(attributes: str) -> str:
    """A good queue and one that is good but for further attributes, one per line."""
    body = GOOD_QUEUE.rstrip().removesuffix("}").rstrip()
    return f'{{\n"GOOD": {GOOD_QUEUE},\n"BAD": {body},\n{attributes}\n}}\n}}'


def changed_queue(old: str, new: str) -> str:
    """A good queue and the same with one text replaced."""
    return f'{{\n"GOOD": {GOOD_QUEUE},\n"BAD": {GOOD_QUEUE.replace(old, new)}\n}}'


def chain(reference: str, length: int) -> str:
    """Keys k1, k2, … that refer to the next one each; the value of the last one is to follow."""
    return (
        "\n".join(f"k{place} = {reference.format(place + 1)}" for place in range(1, length + 1)) + f"\nk{length + 1} = "
    )


def setting(role: str, attributes: str) -> str:
    """A good queue and the same with further settings in a plugin block."""
    return changed_queue(f'"{role}": {{', f'"{role}": {{\n{attributes},\n')


WARNING = Severity.WARNING

IN_MAIN = [
    Mistake(
        "misspelt key",
        "checkIntervall",
        "monitor.checkIntervall",
        "write checkInterval",
        "[monitor]\ncheckIntervall = 5",
        severity=WARNING,
    ),
    Mistake(
        "key in wrong case",
        "nthreads",
        "submitter.nthreads",
        "write nThreads",
        "[submitter]\nnthreads = 5",
        severity=WARNING,
    ),
    Mistake(
        "Python spelling of a key",
        "sleep_time",
        "sweeper.sleep_time",
        "write sleepTime",
        "[sweeper]\nsleep_time = 5",
        severity=WARNING,
    ),
    Mistake("misspelt section", "[sweper]", "sweper", "write sweeper", "[sweper]\nnThreads = 1", severity=WARNING),
    Mistake("word for a number", "= three", "monitor.nThreads", "whole number", "[monitor]\nnThreads = three"),
    Mistake("negative time", "= -60", "monitor.sleepTime", "seconds, 0 or more", "[monitor]\nsleepTime = -60"),
    Mistake("fraction of a thread", "= 1.5", "stager.nThreads", "whole number", "[stager]\nnThreads = 1.5"),
    Mistake(
        "inline comment", "# often", "monitor.checkInterval", "'5 # often'", "[monitor]\ncheckInterval = 5 # often"
    ),
    Mistake(
        "comment behind a path",
        "# mine",
        "db.database_filename",
        "no comments behind a value",
        "[db]\ndatabase_filename = /x.db # mine",
        severity=WARNING,
    ),
    Mistake("flag in lower case", "= false", "db.verbose", "read as False", "[db]\nverbose = false", severity=WARNING),
    Mistake("no flag", "= perhaps", "db.verbose", "True or False", "[db]\nverbose = perhaps"),
    Mistake(
        "engine in another spelling", "SQLite3", "db.engine", "write sqlite", "[db]\nengine = SQLite3", severity=WARNING
    ),
    Mistake(
        "end of a secret in a line of its own",
        "lost==",
        "db.(hidden, after an empty secret)",
        "nobody reads this key",
        "[db]\npassword =\nlost==",
        severity=WARNING,
    ),
    Mistake("unknown engine", "= mysql", "db.engine", "write", "[db]\nengine = mysql"),
    Mistake("unknown way to log in", "x508", "pandacon.auth_type", "write x509", whole_main=f"{MAIN}auth_type = x508"),
    Mistake(
        "no URL",
        "panda server",
        "pandacon.server_api_url_ssl",
        "a URL",
        whole_main="[master]\nharvester_id = unit\n[pandacon]\nserver_api_url_ssl = the panda server",
    ),
    Mistake(
        "no server",
        "[pandacon]",
        "pandacon",
        "no address of the PanDA server",
        whole_main="[master]\nharvester_id = unit\n[pandacon]\ntimeout = 5",
    ),
    Mistake(
        "no name",
        "[master]",
        "master.harvester_id",
        "write harvester_id",
        whole_main="[master]\n[pandacon]\nserver_api_url_ssl = http://h/api/v1",
    ),
    Mistake(
        "name of the template", "FIXME", "master.harvester_id", "template's", whole_main=MAIN.replace("unit", "FIXME")
    ),
    Mistake(
        "name with that of the template in it",
        "= FIXME_harvester",
        "master.harvester_id",
        "template's",
        whole_main=MAIN.replace("unit", "FIXME_harvester"),
        severity=WARNING,
    ),
    Mistake(
        "paths of the template",
        "FIXME_proxy_pilot",
        "credmanager.outCertFile",
        "'/path_to/FIXME_proxy_pilot' is the template's",
        "[credmanager]\noutCertFile =\n  /opt/production\n  /path_to/FIXME_proxy_pilot",
        severity=WARNING,
    ),
    Mistake(
        "file of the template to be fetched",
        "FIXME_proxy",
        "cacher.data",
        "template's",
        "[cacher]\ndata =\n  proxy||file:///path_to/FIXME_proxy",
        severity=WARNING,
    ),
    Mistake(
        "no queues",
        "queueList =",
        "qconf.queueList",
        "is empty, so no queue is served",
        "[qconf]\nqueueList =",
        severity=WARNING,
    ),
    Mistake(
        "no queues although others come",
        "queueList =",
        "qconf.queueList",
        "or ALL",
        "[qconf]\nqueueList =\nconfigFromCacher = True\n[cacher]\ndata =\n  queues_config_file||https://h/q.json",
        severity=WARNING,
    ),
    Mistake(
        "name with blanks",
        "my harvester",
        "master.harvester_id",
        "letters",
        whole_main=MAIN.replace("unit", "my harvester"),
    ),
    Mistake(
        "name longer than the server's",
        "mmm",
        "master.harvester_id",
        "at most 50",
        whole_main=MAIN.replace("unit", "m" * 51),
    ),
    Mistake(
        "user and password in a URL",
        "me:",
        "pandacon.server_api_url_ssl",
        "without user and password",
        whole_main=MAIN.replace("127", "me:hush@127"),
    ),
    Mistake("no workers per cycle", "maxWorkers", "monitor.maxWorkers", "1 or more", "[monitor]\nmaxWorkers = 0"),
    Mistake("port too high", "70000", "frontend.portNumber", "port", "[frontend]\nportNumber = 70000"),
    Mistake(
        "undefined variable",
        "$ABSENT",
        "db.database_filename",
        "ABSENT is not set",
        "[db]\ndatabase_filename = $ABSENT",
    ),
    Mistake(
        "path after a variable",
        "${PRESENT}/x",
        "db.database_filename",
        "dropped",
        "[db]\ndatabase_filename = ${PRESENT}/x",
        severity=WARNING,
    ),
    Mistake(
        "undefined variable in JSON",
        "$GONE",
        "monitor.eventBasedPlugins",
        "GONE is not set",
        '[monitor]\neventBasedPlugins =\n  [\n  {"module": "m", "name": "n",\n   "x": "$GONE"}\n  ]',
    ),
    Mistake(
        "bad JSON in a value",
        '"name" "n"',
        "monitor.eventBasedPlugins",
        '":" should stand here',
        '[monitor]\neventBasedPlugins =\n  [\n  {"module": "m",\n   "name" "n"}\n  ]',
    ),
    Mistake(
        "JSON of the wrong shape",
        "eventBasedPlugins",
        "monitor.eventBasedPlugins",
        "a JSON list of plugins",
        '[monitor]\neventBasedPlugins =\n  {"module": "m",\n  "name": "n"}',
    ),
    Mistake(
        "doubled key in JSON",
        '"n2"',
        "monitor.eventBasedPlugins",
        "the last one counts",
        '[monitor]\neventBasedPlugins =\n  [{"name": "n",\n  "name": "n2"}]',
        severity=WARNING,
    ),
    Mistake(
        "doubled key",
        "maxJobs = 2",
        "jobfetcher.maxJobs",
        "stands in line 6 already",
        "[jobfetcher]\nmaxJobs = 1\nmaxJobs = 2",
    ),
    Mistake(
        "doubled section",
        "[jobfetcher]",
        "jobfetcher",
        "already",
        whole_main=f"{MAIN}[jobfetcher]\n[stager]\n[jobfetcher]",
    ),
    Mistake("half a line", "lockInter", "stager", "neither a [section] nor a key = value", "[stager]\nlockInter"),
    Mistake("half a section", "[mon", "stager", "neither a [section]", "[stager]\n[mon"),
    Mistake("key before any section", "early", "early", "before the first section", whole_main=f"early = 1\n{MAIN}"),
    Mistake(
        "single percent sign",
        "%20",
        "db.database_filename",
        "write %%",
        "[db]\ndatabase_filename = /a%20b",
        severity=WARNING,
    ),
    Mistake(
        "reference to nothing",
        "%(nothing)s",
        "db.database_filename",
        "not set",
        "[db]\ndatabase_filename = %(nothing)s/x",
    ),
    Mistake("reference to itself", "%(user)s", "db.user", "back to itself", "[db]\nuser = %(user)s"),
    Mistake(
        "references too deep", "%(k1)s", "db.user", "more than 10 deep", f"[db]\nuser = %(k1)s\n{chain('%(k{})s', 10)}x"
    ),
    Mistake(
        "references that double",
        "%(k1)s",
        "db.user",
        "too much",
        f"[db]\nuser = %(k1)s%(k1)s\n{chain('%(k{0})s%(k{0})s', 9)}{60 * 'x'}",
    ),
    Mistake(
        "misspelt logger", "monitr", "log_level.monitr", "write monitor", "[log_level]\nmonitr = INFO", severity=WARNING
    ),
    Mistake(
        "logger in the wrong file", "[logger]", "logger", "panda_common.cfg", "[logger]\nlogdir = /l", severity=WARNING
    ),
    Mistake("unknown log level", "DEBUGG", "log_level.monitor", "write DEBUG", "[log_level]\nmonitor = DEBUGG"),
    Mistake(
        "bad factor",
        "lots",
        "submitter.activateWorkerFactor",
        "a number or auto",
        "[submitter]\nactivateWorkerFactor = lots",
    ),
    Mistake(
        "no certificate",
        "[pandacon]",
        "pandacon.cert_file",
        "will not know this instance",
        whole_main=MAIN.replace("http:", "https:"),
        severity=WARNING,
    ),
    Mistake(
        "no CA certificates",
        "[pandacon]",
        "pandacon.ca_cert",
        "certificate is checked",
        whole_main=MAIN.replace("http:", "https:"),
        severity=WARNING,
    ),
    Mistake(
        "no token",
        "[pandacon]",
        "pandacon.auth_token",
        "will not know this instance",
        whole_main=f"{MAIN}auth_type = oidc",
        severity=WARNING,
    ),
    Mistake(
        "queue that is not configured",
        "GOD",
        "qconf.queueList",
        "write GOOD",
        "[qconf]\nqueueList =\n  GOOD\n  GOD",
        severity=WARNING,
    ),
    Mistake(
        "JSON list in one line",
        "GOOD",
        "qconf.queueList",
        "write GOOD, ALL",
        "[qconf]\nqueueList = [\"GOOD\", 'ALL']",
        severity=WARNING,
    ),
    Mistake(
        "queues of a resolver",
        "DYNAMIC",
        "qconf.queueList",
        "counts as ALL",
        "[qconf]\nqueueList = DYNAMIC",
        severity=WARNING,
    ),
    *(
        Mistake(
            f"{key} and nothing to ask",
            key,
            f"qconf.{key}",
            says,
            f"[qconf]\n{key} = {value}{more}",
            severity=WARNING,
        )
        for key, value, says, more in (
            ("configFromCacher", "True", "add queues_config_file|", ""),
            ("resolverModule", "m", "add the line panda_queues.json|", "\nresolverClass = PandaQueuesDict"),
            ("resolverClass", "Own", "write PandaQueuesDict", "\nresolverModule = m"),
            ("autoBlacklist", "True", "set resolverModule", ""),
            ("pilotVersion", "3", "add the line panda_queues.json|", ""),
        )
    ),
    *(
        Mistake(
            f"{key} in a version without",
            line,
            key,
            says,
            f"[{key.partition('.')[0]}]\n{line}",
            severity=WARNING,
        )
        for line, key, says in (
            ("actions = email", "watcher.actions", "write mailServer and mailTo"),
            ("actions = mail", "watcher.actions", "write email"),
            ("diskHighWatermark = /d|5", "sweeper.diskHighWatermark", "write diskCleanUpInterval"),
            ("diskCleanUpInterval = 2", "sweeper.diskCleanUpInterval", "write diskHighWatermark"),
            ("nJobsInBulk = 1000", "propagator.nJobsInBulk", "write 100"),
            ("nWorkersInBulk = 101", "propagator.nWorkersInBulk", "write 100"),
        )
    ),
    Mistake(
        "credential manager without a class",
        "[credmanager]",
        "credmanager.className",
        "write a line for each of moduleName: 1",
        "[credmanager]\nmoduleName = m",
        severity=WARNING,
    ),
    Mistake(
        "settings for a plugin that nobody has",
        "extraPluginConfigs",
        "master.extraPluginConfigs",
        "no queue has a plugin C",
        whole_main=MAIN.replace("[pandacon]", 'extraPluginConfigs =\n  {\n  "C": {}}\n[pandacon]'),
        severity=WARNING,
    ),
]

IN_QUEUES = [
    Mistake("misspelt attribute", '"maxWorker"', "BAD.maxWorker", "write maxWorkers",
            queues=queue('"maxWorker": 3'), severity=WARNING),
    Mistake("word for a limit", '"ten"', "BAD.nQueueLimitWorker", "whole number",
            queues=queue('"nQueueLimitWorker": "ten"')),
    Mistake("fraction for a limit", "2.5", "BAD.nQueueLimitJob", "whole number", queues=queue('"nQueueLimitJob": 2.5')),
    Mistake("limit in quotes", '"12"', "BAD.nQueueLimitWorker", "write 12",
            queues=queue('"nQueueLimitWorker": "12"'), severity=WARNING),
    Mistake("negative limit", "-1", "BAD.nQueueLimitWorker", "counts as 0",
            queues=queue('"nQueueLimitWorker": -1'), severity=WARNING),
    Mistake("unknown map type", "OneToTwo", "BAD.mapType", "write OneToOne",
            queues=changed_queue('"NoJob"', '"OneToTwo"')),
    Mistake("unknown run mode", "slav", "BAD.runMode", "write slave", queues=queue('"runMode": "slav"')),
    Mistake("flag in quotes", '"true"', "BAD.truePilot", "write true",
            queues=queue('"truePilot": "true"'), severity=WARNING),
    Mistake("no flag", '"often"', "BAD.truePilot", "true or false", queues=queue('"truePilot": "often"')),
    Mistake("misspelt offline", "oflline", "BAD.queueStatus", "write offline",
            queues=queue('"queueStatus": "oflline"'), severity=WARNING),
    Mistake("bad criteria", "criteria", "BAD.getJobCriteria", "k=v", queues=queue('"getJobCriteria": "criteria"')),
    Mistake("bad weight", '"heavy"', "BAD.prodSourceLabelRandomWeightsPermille.rc_test", "whole numbers",
            queues=queue('"prodSourceLabelRandomWeightsPermille":\n{"rc_test": "heavy"}')),
    Mistake("unknown template", "NO_TEMPLATE", "BAD.templateQueueName", "there is no template",
            queues=queue('"templateQueueName": "NO_TEMPLATE"')),
    Mistake("misspelt template", "X_TEMPLTE", "BAD.templateQueueName", "write X_TEMPLATE",
            queues=queue('"templateQueueName": "X_TEMPLTE"').replace("{", '{"X_TEMPLATE": {},', 1)),
    Mistake("queue as template", '"templateQueueName": "GOOD"', "BAD.templateQueueName", "is a queue",
            queues=queue('"templateQueueName": "GOOD"')),
    Mistake("template loop", '"templateQueueName": "B_TEMPLATE"', "A_TEMPLATE.templateQueueName",
            "A_TEMPLATE → B_TEMPLATE → A_TEMPLATE", severity=WARNING,
            queues=f'{{"A_TEMPLATE":\n{{"templateQueueName": "B_TEMPLATE"}},\n"B_TEMPLATE":\n'
                   f'{{"templateQueueName": "A_TEMPLATE"}},\n"GOOD": {GOOD_QUEUE}}}'),
    Mistake("nested template", '"templateQueueName"', "A_TEMPLATE.templateQueueName", "a template has no template",
            severity=WARNING,
            queues='{"A_TEMPLATE":\n{"templateQueueName": "B_TEMPLATE"}, "B_TEMPLATE": {},' + QUEUES[1:]),
    Mistake("template flag in quotes", '"isTemplateQueue"', "BAD.isTemplateQueue", "counts as false",
            queues=queue('"isTemplateQueue": "true"'), severity=WARNING),
    Mistake("empty name of a template", '"templateQueueName"', "BAD.templateQueueName", "remove templateQueueName",
            queues=queue('"templateQueueName": ""')),
    Mistake("text instead of labels", '"rc_alrb"', "BAD.prioritizedProdSourceLabels", 'write ["rc_alrb"]',
            queues=queue('"prioritizedProdSourceLabels": "rc_alrb"')),
    Mistake("limit of waiting workers alone", "nQueueLimitWorker", "BAD.nQueueLimitWorker", "no workers are made",
            queues=changed_queue('"maxWorkers": 5', '"nQueueLimitWorker": 10'), severity=WARNING),
    Mistake("limit of waiting workers alone, with jobs", "WorkerMax", "BAD.nQueueLimitWorkerMax", "one worker waits",
            queues=queue('"mapType": "OneToOne", "maxWorkers": 0,\n"nQueueLimitWorkerMax": 10'), severity=WARNING),
    Mistake("extractor whose finds nobody brings", '"extractor"', "BAD.extractor", 'write "aux_preparator"',
            queues=queue('"extractor": {"plugin": "dummy"}'), severity=WARNING),
    Mistake("word for a wall time", "walltimeLimit", "BAD.walltimeLimit", "seconds, 0 or more",
            queues=queue('"walltimeLimit": "long"')),
    Mistake("name that is no text", "ud800", "BAD\\ud800", "no text",
            queues=f'{{"GOOD": {GOOD_QUEUE},\n"BAD\\ud800": {ONE_LINE}}}'),
    Mistake("name of two lines", "BAD", "BAD\\n2", "no text",
            queues=f'{{"GOOD": {GOOD_QUEUE},\n"BAD\\n2": {ONE_LINE}}}'),
    Mistake("name too long for the database", "BBB", 60 * "B", "more than 190",
            queues=f'{{"GOOD": {GOOD_QUEUE},\n"{191 * "B"}": {ONE_LINE}}}'),
    Mistake("word for a time in a plugin block", '"often"', "BAD.monitor.checkTimeout", "seconds, 0 or more",
            queues=setting("monitor", '"checkTimeout": "often"')),
    Mistake("time in quotes in a plugin block", '"600"', "BAD.monitor.checkTimeout", "write 600", severity=WARNING,
            queues=setting("monitor", '"checkTimeout": "600"')),
    Mistake("list for minutes", "worker_heartbeat", "BAD.messenger.worker_heartbeat", "minutes, 0 or more",
            queues=setting("messenger", '"worker_heartbeat": [10]')),
    Mistake("no job per worker", "nJobsPerWorker", "BAD.workerMaker.nJobsPerWorker", "1 or more",
            queues=setting("workerMaker", '"nJobsPerWorker": 0')),
    Mistake("flag in quotes in a plugin block", '"true"', "BAD.submitter.noPilotsWhenNoActiveJobs", "write true",
            severity=WARNING, queues=setting("submitter", '"noPilotsWhenNoActiveJobs": "true"')),
    Mistake("factor in quotes", '"2"', "BAD.submitter.nCoreFactor", "numbers without quotes", severity=WARNING,
            queues=setting("submitter", '"nCoreFactor": {"Any": {"Undefined": "2"}}')),
    Mistake("wrong time for all plugins", "checkTimeout", "BAD.common.checkTimeout", "seconds, 0 or more",
            queues=queue('"common": {"checkTimeout": -1}')),
    Mistake("number for an access point", "accessPoint", "BAD.messenger.accessPoint", "a path",
            queues=changed_queue('"/w/${workerID}"', "3")),
    Mistake("middleware without a name", '"middleware"', "BAD.throttler.middleware", "name of a block",
            queues=queue('"throttler": {"plugin": "tiny",\n"middleware": ["rpc"]}')),
    Mistake("mistake in a template", '"maxWorkers": "x"', "X_TEMPLATE.maxWorkers", "whole number",
            queues=f'{{"X_TEMPLATE": {{\n"maxWorkers": "x"}},\n"BAD": {{"templateQueueName": "X_TEMPLATE", '
                   f'"submitter": {{"plugin": "local"}}}}, "GOOD": {GOOD_QUEUE}}}'),
    Mistake("missing plugin", '"BAD"', "BAD.submitter", "no such plugin",
            queues=f'{{"GOOD": {GOOD_QUEUE},\n"BAD": {{"maxWorkers": 1}}}}'),
    Mistake("missing monitor of an upstream plugin", '"BAD"', "BAD.monitor", "no such plugin",
            queues=f'{{"GOOD": {GOOD_QUEUE},\n"BAD": {{"submitter": {{"module": "pandaharvester.m", "name": "N"}}, '
                   f'"sweeper": {{"plugin": "local"}}}}}}'),
    Mistake("plugin without class", '"throttler"', "BAD.throttler", "does not say name",
            queues=queue('"throttler": {"module": "m"}')),
    Mistake("plugin named twice", '"throttler"', "BAD.throttler", "as well as",
            queues=queue('"throttler": {"module": "m", "name": "N", "plugin": "p"}')),
    Mistake("plugin named by a number", '"throttler"', "BAD.throttler", "non-empty text",
            queues=queue('"throttler": {"plugin": 3}')),
    Mistake("plugin block without a plugin", '"throttler"', "BAD.throttler", "names no plugin",
            queues=queue('"throttler": {"x": 3}')),
    Mistake("plugin as text", '"throttler"', "BAD.throttler", "not an object", queues=queue('"throttler": "tiny"')),
    Mistake("unknown plugin", "tinny", "BAD.stager", "no plugin tinny",
            queues=changed_queue('"stager": {"plugin": "dummy"}', '\n"stager": {"plugin": "tinny"}')),
    Mistake("unknown setting of a plugin", '"colour"', "BAD.stager.colour", "no setting colour", severity=WARNING,
            queues=setting("stager", '"colour": "blue"')),
    Mistake("shared access point", "/w/all", "BAD.messenger.accessPoint", "share one directory", severity=WARNING,
            queues=changed_queue("/w/${workerID}", "/w/all")),
    Mistake("middleware that is not there", '"middleware"', "BAD.throttler.middleware", "no block rpc",
            severity=WARNING,
            queues=queue('"throttler": {"plugin": "tiny",\n"middleware": "rpc"}')),
    Mistake("half middleware", '"rpc"', "BAD.rpc", "does not say name",
            queues=queue('"throttler": {"plugin": "tiny", "middleware": "r"},\n"r": {"module": "m"}')
                   .replace('"r"', '"rpc"')),
    Mistake("queue that is no object", '"BAD"', "BAD", "not a JSON object",
            queues=f'{{"GOOD": {GOOD_QUEUE},\n"BAD": 3}}'),
    Mistake("list instead of queues", "[", "", "not a JSON object", queues="[\n]"),
    Mistake("doubled queue", '"GOOD": {"mapType"', "GOOD", "written twice", severity=WARNING,
            queues=f'{{"GOOD": {{}},\n"GOOD": {" ".join(GOOD_QUEUE.split()).replace("{ ", "{", 1)}}}'),
    Mistake("doubled attribute", '"truePilot": true', "BAD.truePilot", "written twice", severity=WARNING,
            queues=queue('"truePilot": false,\n"truePilot": true')),
    Mistake("missing comma", '"truePilot": true', "", '"," or "}" should stand here',
            queues=queue('"maxWorkers": 1\n"truePilot": true')),
    Mistake("comma too many", '"truePilot": true,', "", "a comma before", queues=queue('"truePilot": true,')),
    Mistake("single quotes", "'truePilot'", "", "double quotes", queues=queue("'truePilot': true")),
    Mistake("Python instead of JSON", "True", "", "not a JSON value", queues=queue('"truePilot": True')),
    Mistake("half a file", '"stager"', "", "ends too early", queues='{"A": {"submitter": {},\n"stager": {"plu": "x"\n'),
    Mistake("empty file", None, "", "the file is empty", queues=""),
    Mistake("text after the end", "more", "", "after the end", queues=f"{QUEUES}\nmore"),
]  # fmt: skip


def known_plugins(_queue: str, _role: str, block: PluginBlock) -> Sequence[str | PluginProblem]:
    """Stands for the plugin registry."""
    if block.plugin not in {"local", "simple", "dummy", "shared_file", "tiny", None}:
        return [f"there is no plugin {block.plugin}"]
    if "colour" in block.settings:
        return [PluginProblem("no setting colour", key="colour", severity=Severity.WARNING)]
    return []


def findings_of(mistake: Mistake, folder: Path) -> tuple[str, str, list[Finding]]:
    main = mistake.whole_main if mistake.whole_main is not None else MAIN + mistake.main
    (folder / "panda_harvester.cfg").write_text(main)
    (folder / "queues.json").write_text(mistake.queues)
    found = check([folder / "panda_harvester.cfg"], folder / "queues.json", ENVIRON, known_plugins)
    return main, mistake.queues, found


def line_of(text: str, part: str | None) -> int:
    """The last line that contains the part."""
    return max((number for number, line in enumerate(text.split("\n"), 1) if part is None or part in line), default=0)


@pytest.mark.parametrize("mistake", [*IN_MAIN, *IN_QUEUES], ids=lambda mistake: mistake.what.replace(" ", "-"))
def test_finds_the_mistake_in_its_line(mistake: Mistake, tmp_path: Path) -> None:
    main, queues, found = findings_of(mistake, tmp_path)
    in_main = mistake in IN_MAIN
    expected = (
        str(tmp_path / ("panda_harvester.cfg" if in_main else "queues.json")),
        line_of(main if in_main else queues, mistake.line_with),
        mistake.key,
        mistake.severity,
    )
    matching = [each for each in found if (each.file, each.line, each.key, each.severity) == expected]
    assert [each for each in matching if mistake.says in f"{each.problem}; {each.advice}"], (expected, found)
    assert all(each.advice for each in found)


@pytest.mark.parametrize("mistake", [*IN_MAIN, *IN_QUEUES], ids=lambda mistake: mistake.what.replace(" ", "-"))
def test_finds_no_second_error(mistake: Mistake, tmp_path: Path) -> None:
    _, _, found = findings_of(mistake, tmp_path)
    errors = [each for each in found if each.severity is Severity.ERROR]
    assert len(errors) == (mistake.severity is Severity.ERROR), errors


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_finds_nothing_in_the_examples(example: str) -> None:
    folder = EXAMPLES / example
    found = check([folder / "panda_harvester.cfg"], None, {}, lambda *_: [])
    assert [each for each in found if each.severity is not Severity.INFO] == []


@pytest.mark.parametrize(
    "section",
    [
        "[monitor]\nfifoEnable = True\nmaxWorkers = 7\npluginCacheEnable = True",
        "[preparator]\nmaxJobsToCheck = 7\n[stager]\nmaxFilesPerJobToCheck = 7",
        "[fifo]\nfifoModule = m\n[eventfeeder]\nnThreads = 0\n[zipper]\nzipInterval = 7",
        "[watcher]\nmailServer = m\n[frontend]\nnThreads = 7\nauthEnable = False",
        "[qconf]\nupdateInterval = 600\n[propagator]\nnJobsInBulk = 100\nmaxDialogs = 0",
    ],
)
def test_nobody_is_told_of_keys_that_nobody_misses(section: str, tmp_path: Path) -> None:
    _, _, found = findings_of(Mistake("none", None, "", "", section), tmp_path)
    assert found == []


@pytest.mark.parametrize(
    "attributes",
    [
        '"allowJobMixture": true, "prefetchEvents": false, "jobType": "production", "siteFamily": "F"',
        '"prioritizedProdSourceLabels": ["rc_alrb"], "nQueueLimitWorker": 3, "walltimeLimit": null',
        '"common": {"nJobsPerWorker": 4, "fifoCheckInterval": 5, "forcePostProcessing": true, "skipOnFail": false}',
        '"maxWorkers": 0, "queueStatus": "offline"',
    ],
)
def test_nobody_is_told_of_attributes_that_nobody_misses(attributes: str, tmp_path: Path) -> None:
    _, _, found = findings_of(Mistake("none", None, "", "", queues=queue(attributes)), tmp_path)
    assert [each for each in found if "written twice" not in each.problem] == []


def test_missing_files_are_named(tmp_path: Path) -> None:
    found = check([tmp_path / "no.cfg"], tmp_path / "no.json", {}, None)
    assert [(each.file, each.problem) for each in found] == [
        (str(tmp_path / "no.cfg"), "there is no such file"),
        (str(tmp_path / "no.json"), "there is no such file"),
    ]


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.cfg").write_bytes("[master]\nharvester_id = Zürich".encode("latin-1"))
    (tmp_path / "folder.json").mkdir()
    found = check([tmp_path / "latin.cfg"], tmp_path / "folder.json", {}, None)
    assert [Path(each.file).name for each in found] == ["latin.cfg", "folder.json"]
    assert "UTF-8" in found[0].advice


def test_nothing_found_says_where_it_looked(tmp_path: Path) -> None:
    first, *_ = check(None, None, {"PANDA_HOME": str(tmp_path)}, None)
    assert str(tmp_path / "etc/panda/panda_harvester.cfg") in first.problem


def test_queue_file_is_checked_although_the_main_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "etc/panda").mkdir(parents=True)
    (tmp_path / "etc/panda/panda_harvester.cfg").write_text("[qconf]\nconfigFile = q.json\n[db]\nverbose = 7")
    (tmp_path / "etc/panda/q.json").write_text(json.dumps({"Q": 1}))
    found = check(None, None, {"PANDA_HOME": str(tmp_path)}, None)
    assert "Q" in [each.key for each in found]


def test_queues_that_come_from_an_address_need_no_file_although_the_main_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "panda_harvester.cfg").write_text(f"{MAIN}[monitor]\nnThreads = three\n")
    environ = {**ENVIRON, "HARVESTER_QUEUE_CONFIG_URL": "https://pool.example.org/queues.json"}
    found = check([tmp_path / "panda_harvester.cfg"], None, environ, known_plugins)
    assert [each.key for each in found if each.severity is Severity.ERROR] == ["monitor.nThreads"]


def test_a_password_that_holds_the_word_of_the_template_is_a_password(tmp_path: Path) -> None:
    (tmp_path / "c.cfg").write_text(f"{MAIN}[db]\nengine = postgresql\npassword = huFIXMEsh\n")
    (tmp_path / "q.json").write_text(QUEUES)
    assert check([tmp_path / "c.cfg"], tmp_path / "q.json", ENVIRON, known_plugins) == []


def test_a_wrong_queue_list_is_told_in_the_config_map(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text(f"{MAIN}[qconf]\n")
    (tmp_path / "b.json").write_text('{"qconf":\n{"queueList": ["GOOD",\n7]}}')
    (tmp_path / "panda_queueconfig.json").write_text(QUEUES)
    found = check([tmp_path / "a.cfg", tmp_path / "b.json"], None, {}, known_plugins)
    assert [(Path(each.file).name, each.line, each.key) for each in found] == [("b.json", 2, "qconf.queueList")]


def test_a_key_written_twice_in_the_config_map_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text(f"{MAIN}[db]\n")
    (tmp_path / "b.json").write_text('{"db": {"user": "a",\n"user": "b"}}')
    (tmp_path / "panda_queueconfig.json").write_text(QUEUES)
    found = check([tmp_path / "a.cfg", tmp_path / "b.json"], None, {}, known_plugins)
    assert [(each.line, each.key, each.severity) for each in found] == [(2, "db.user", WARNING)]


def test_half_a_config_map_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text(MAIN)
    (tmp_path / "b.json").write_text('{"db":\n{')
    (tmp_path / "panda_queueconfig.json").write_text(QUEUES)
    (found,) = check([tmp_path / "a.cfg", tmp_path / "b.json"], None, {}, known_plugins)
    assert (Path(found.file).name, found.line, found.severity) == ("b.json", 2, Severity.ERROR)
    assert "ends too early" in found.problem


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    main = MAIN.replace("http:", "ftp:").replace("127", "me:hush7@127")
    main = f"{main}auth_token =\n  hush1\n  hush2\n[db]\npassword =\n  hush3\n  hush4\n[fifo]\ndb_password = $hush5\n"
    main += '[credmanager]\npluginConfigs = [{"secret": "hush8"}]\n'
    main += '[monitor]\nnThreads = ["hush9"]\nsleepTime = {"a": "hush10"}\nlockInterval = a@hush11:b@x\n'
    main += "[watcher]\nmailPassword =\n$hush12=%(hush13)s\n[apfmon]\nmailPassword =\nhush14=\nhush15=%\n"
    main += "[frontend]\nsecretFile = %(hush19)s\n"
    (tmp_path / "c.cfg").write_text(main)
    further = '"runMode": ["hush17"], "submitter": {"middleware": {"x": "hush18"}, '
    queues = QUEUES.replace('"maxWorkers": 5', '"maxWorkers": {"a": "hush16"}').replace('"submitter": {', further)
    (tmp_path / "q.json").write_text(queues.replace('"plugin": "local"', '"plugin": "local", "password": "hush6"'))
    found = check([tmp_path / "c.cfg"], tmp_path / "q.json", {}, known_plugins)
    keys = {"GOOD.maxWorkers", "GOOD.runMode", "GOOD.submitter.middleware", "monitor.nThreads", "monitor.lockInterval"}
    keys |= {
        "frontend.secretFile",
        "pandacon.auth_token",
        "pandacon.server_api_url_ssl",
        "db.password",
        "fifo.db_password",
    }
    assert {each.key for each in found} >= {*keys, "credmanager.pluginConfigs"}
    assert "hush" not in repr(found)
