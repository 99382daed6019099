"""Which plugins there are: our own by their short names, and upstream's by module and class, as one table of data.

An upstream name stands for the short name of the plugin that does its work here (plugins reference §4, §8). A short
name that `OURS` does not list for the role is not built yet; building it is one line in `OURS`, and every configuration
that uses the upstream name works from then on. Upstream's base classes, helpers, communicators, FIFOs and resolvers are
no plugins of a queue and are not listed.

`python -m harvester.plugins.names` prints the table of `docs/plugins.md`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import JsonValue


class Role(StrEnum):
    """What a plugin is for; the values are the keys of the blocks in the queue configuration."""

    SUBMITTER = "submitter"
    MONITOR = "monitor"
    SWEEPER = "sweeper"
    MESSENGER = "messenger"
    WORKER_MAKER = "workerMaker"
    PREPARATOR = "preparator"
    AUX_PREPARATOR = "aux_preparator"
    STAGER = "stager"
    ZIPPER = "zipper"
    THROTTLER = "throttler"
    EXTRACTOR = "extractor"
    CREDENTIAL_MANAGER = "credmanagers"
    FILE_SYNCER = "file_syncer"
    RESOURCE = "resource"
    """Tells worker makers which nodes are free; not what we call a resource."""
    MIDDLEWARE = "middleware"
    """Any other block, named by the `middleware` key of a plugin block."""


_RESOURCES: Final = {
    "dummy": "harvester.plugins.dummy:DummyResource",
    "local": "harvester.plugins.local:LocalResource",
    "slurm": "harvester.plugins.slurm:SlurmResource",
}
_PREPARATORS: Final = {
    "copy": "harvester.plugins.data.copying:CopyPreparator",
    "dummy": "harvester.plugins.data.dummy:DummyPreparator",
    "rse_direct": "harvester.plugins.data.rse_direct:RseDirectPreparator",
}

OURS: Final[Mapping[Role, Mapping[str, str]]] = {
    Role.SUBMITTER: _RESOURCES,
    Role.MONITOR: _RESOURCES,
    Role.SWEEPER: _RESOURCES,
    Role.MESSENGER: {
        "http": "harvester.plugins.messengers.http:HttpMessenger",
        "shared_file": "harvester.plugins.messengers.shared_file:SharedFileMessenger",
    },
    Role.WORKER_MAKER: {
        "backfill": "harvester.plugins.workermakers.backfill:BackfillWorkerMaker",
        "dummy_dynamic": "harvester.plugins.workermakers.dummy_dynamic:DummyDynamicWorkerMaker",
        "multijob": "harvester.plugins.workermakers.multijob:MultiJobWorkerMaker",
        "multinode": "harvester.plugins.workermakers.multinode:MultiNodeWorkerMaker",
        "simple": "harvester.plugins.workermakers.simple:SimpleWorkerMaker",
    },
    Role.RESOURCE: {
        "showbf": "harvester.plugins.slots.showbf:ShowbfSlots",
        "slurm": "harvester.plugins.slurm.free_nodes:SlurmSlots",
        "titan": "harvester.plugins.slots.titan:TitanSlots",
    },
    Role.PREPARATOR: _PREPARATORS,
    Role.AUX_PREPARATOR: {**_PREPARATORS, "auxiliary": "harvester.plugins.data.auxiliary:AuxiliaryPreparator"},
    Role.STAGER: {
        "copy": "harvester.plugins.data.copying:CopyStager",
        "dummy": "harvester.plugins.data.dummy:DummyStager",
        "rse_direct": "harvester.plugins.data.dummy:DummyStager",
    },
    Role.CREDENTIAL_MANAGER: {
        "arcproxy": "harvester.plugins.credentials.arcproxy:ArcproxyManager",
        "dummy": "harvester.plugins.credentials.dummy:DummyCredentialManager",
        "grid_proxy": "harvester.plugins.credentials.grid_proxy:GridProxyManager",
        "iam_token": "harvester.plugins.credentials.iam_token:IamTokenManager",
        "proxy_cache": "harvester.plugins.credentials.proxy_cache:ProxyCacheManager",
        "token_key": "harvester.plugins.credentials.token_key:TokenKeyManager",
        "voms_proxy": "harvester.plugins.credentials.voms_proxy:VomsProxyManager",
    },
    Role.THROTTLER: {
        "simple": "harvester.plugins.throttlers.simple:SimpleThrottler",
        "tiny": "harvester.plugins.throttlers.tiny:TinyThrottler",
    },
    Role.FILE_SYNCER: {"git": "harvester.plugins.filesyncers.git:GitFileSyncer"},
    Role.EXTRACTOR: {"auxiliary": "harvester.plugins.data.extracting:AuxiliaryExtractor"},
    Role.ZIPPER: {
        "dummy": "harvester.plugins.data.dummy:DummyZipper",
        "tar": "harvester.plugins.data.packing:TarZipper",
    },
}
"""The plugins that exist: `module:class` by role and short name. Each is imported when it is first asked for."""


NOT_NEEDED_ANYWHERE: Final = frozenset({"siteName", "queueName", "setup_name", "middleware", "bareFunctions"})
"""Keys that upstream gives to every plugin, or reads itself when it makes one."""

NOT_NEEDED: Final[Mapping[Role, frozenset[str]]] = {
    Role.MESSENGER: frozenset(
        {
            "maxWorkersForZip",
            "xmlOutputsBaseFileName",
        }
    ),
    Role.CREDENTIAL_MANAGER: frozenset({"update_ts_path"}),
}
"""Further keys of upstream plugins whose successors here have no use for them, so that they are no mistake."""


@dataclass(frozen=True, slots=True)
class UpstreamPlugin:
    """One name that existing configurations use, and the short name of what does its work here.

    Attributes:
        settings: what the upstream plugin does always and ours does if it is told; the block's own settings win.
    """

    module: str
    name: str
    roles: frozenset[Role]
    plugin: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict, hash=False)

    def plugin_for(self, role: Role) -> str:
        """The short name of what does its work in a role; upstream's stagers all pack in the same way."""
        is_stager = self.roles == _ROLES["harvesterstager"]
        return "tar" if is_stager and role is Role.ZIPPER and self.plugin not in OURS[role] else self.plugin

    @property
    def is_built(self) -> bool:
        """Whether its plugin serves any of its roles."""
        return any(self.plugin in OURS.get(role, {}) for role in self.roles)


_ROLES: Final[Mapping[str, frozenset[Role]]] = {
    "harvestersubmitter": frozenset({Role.SUBMITTER}),
    "harvestermonitor": frozenset({Role.MONITOR}),
    "harvestersweeper": frozenset({Role.SWEEPER}),
    "harvestermessenger": frozenset({Role.MESSENGER}),
    "harvesterworkermaker": frozenset({Role.WORKER_MAKER}),
    "harvesterpreparator": frozenset({Role.PREPARATOR, Role.AUX_PREPARATOR}),
    "harvesterstager": frozenset({Role.STAGER, Role.ZIPPER}),
    "harvesterzipper": frozenset({Role.ZIPPER}),
    "harvestercredmanager": frozenset({Role.CREDENTIAL_MANAGER}),
    "harvesterextractor": frozenset({Role.EXTRACTOR}),
    "harvesterthrottler": frozenset({Role.THROTTLER}),
    "harvesterfilesyncer": frozenset({Role.FILE_SYNCER}),
    "harvestermiddleware": frozenset(Role),  # upstream lets a herder take the place of the plugin that it carries
    "harvestermisc": frozenset({Role.RESOURCE}),
}

_UPSTREAM: Final[Mapping[str, Mapping[str, str]]] = {
    "harvestersubmitter": {
        "act_submitter:ACTSubmitter": "act",
        "apfgrid_submitter:APFGridSubmitter": "apfgrid",
        "arc_submitter:ARCSubmitter": "arc",
        "cloud_google_submitter:GoogleSubmitter": "google",
        "cloud_openstack_submitter:CloudOpenstackSubmitter": "openstack",
        "cobalt_submitter:CobaltSubmitter": "cobalt",
        "dummy_mcore_submitter:DummyMcoreSubmitter": "dummy",
        "dummy_singleton_submitter:DummySingletonSubmitter": "dummy",
        "dummy_submitter:DummySubmitter": "dummy",
        "gitlab_submitter:GitlabSubmitter": "gitlab",
        "globus_compute_slurm_submitter:GlobusComputeSlurmSubmitter": "globus_compute",
        "globus_compute_submitter:GlobusComputeSubmitter": "globus_compute",
        "htcondor_submitter:HTCondorSubmitter": "htcondor",
        "k8s_submitter:K8sSubmitter": "kubernetes",
        "lsf_submitter:LSFSubmitter": "lsf",
        "pbs_submitter:PBSSubmitter": "pbs",
        "saga_submitter:SAGASubmitter": "saga",
        "slurm_submitter:SlurmSubmitter": "slurm",
        "slurm_submitter_jinja:SlurmSubmitterJinja": "slurm_jinja",
        "slurm_submitter_rubin:SlurmSubmitter": "slurm",
        "superfacility_submitter:SuperfacilitySubmitter": "superfacility",
    },
    "harvestermonitor": {
        "act_monitor:ACTMonitor": "act",
        "apfgrid_monitor:APFGridMonitor": "apfgrid",
        "arc_monitor:ARCMonitor": "arc",
        "cloud_google_monitor:GoogleMonitor": "google",
        "cloud_openstack_monitor:CloudOpenstackMonitor": "openstack",
        "cobalt_monitor:CobaltMonitor": "cobalt",
        "dummy_mcore_monitor:DummyMcoreMonitor": "dummy",
        "dummy_monitor:DummyMonitor": "dummy",
        "gitlab_monitor:GitlabMonitor": "gitlab",
        "globus_compute_monitor:GlobusComputeMonitor": "globus_compute",
        "globus_compute_slurm_monitor:GlobusComputeSlurmMonitor": "globus_compute",
        "htcondor_monitor:HTCondorMonitor": "htcondor",
        "k8s_monitor:K8sMonitor": "kubernetes",
        "lsf_monitor:LSFMonitor": "lsf",
        "pbs_monitor:PBSMonitor": "pbs",
        "saga_monitor:SAGAMonitor": "saga",
        "slurm_bulk_monitor:SlurmBulkMonitor": "slurm",
        "slurm_monitor:SlurmMonitor": "slurm",
        "slurm_squeue_monitor:SlurmSqueueMonitor": "slurm",
        "superfacility_monitor:SuperfacilityMonitor": "superfacility",
    },
    "harvestersweeper": {
        "act_sweeper:ACTSweeper": "act",
        "apfgrid_sweeper:APFGridSweeper": "apfgrid",
        "arc_sweeper:ARCSweeper": "arc",
        "cloud_google_sweeper:GoogleSweeper": "google",
        "cloud_openstack_sweeper:CloudOpenstackSweeper": "openstack",
        "cobalt_sweeper:CobaltSweeper": "cobalt",
        "dummy_sweeper:DummySweeper": "dummy",
        "gitlab_sweeper:GitlabSweeper": "gitlab",
        "htcondor_sweeper:HTCondorSweeper": "htcondor",
        "k8s_sweeper:K8sSweeper": "kubernetes",
        "lsf_sweeper:LSFSweeper": "lsf",
        "pbs_sweeper:PBSSweeper": "pbs",
        "saga_sweeper:SAGASweeper": "saga",
        "slurm_sweeper:SlurmSweeper": "slurm",
        "superfacility_sweeper:SuperfacilitySweeper": "superfacility",
    },
    "harvestermessenger": {
        "act_messenger:ACTMessenger": "act",
        "arc_messenger:ARCMessenger": "arc",
        "http_server_messenger:HttpServerMessenger": "http",
        "k8s_messenger:K8sMessenger": "kubernetes",
        "shared_file_messenger:SharedFileMessenger": "shared_file",
    },
    "harvesterworkermaker": {
        "dummy_dynamic_worker_maker:DummyDynamicWorkerMaker": "dummy_dynamic",
        "multijob_worker_maker:MultiJobWorkerMaker": "multijob",
        "multinode_worker_maker:MultiNodeWorkerMaker": "multinode",
        "simple_bf_es_worker_maker:SimpleBackfillESWorkerMaker": "backfill",
        "simple_worker_maker:SimpleWorkerMaker": "simple",
    },
    "harvesterpreparator": {
        "analysis_aux_preparator:AnalysisAuxPreparator": "auxiliary",
        "aux_preparator:AuxPreparator": "auxiliary",
        "dummy_bulk_preparator:DummyBulkPreparator": "dummy",
        "dummy_preparator:DummyPreparator": "dummy",
        "go_bulk_preparator:GlobusBulkPreparator": "globus",
        "go_preparator:GoPreparator": "globus",
        "gridftp_preparator:GridFtpPreparator": "gridftp",
        "pilotmover_mt_preparator:PilotmoverMTPreparator": "pilotmover",
        "pilotmover_mt_preparator_kari:PilotmoverMTPreparator": "pilotmover",
        "pilotmover_preparator:PilotmoverPreparator": "pilotmover",
        "rse_direct_preparator:RseDirectPreparator": "rse_direct",
        "rucio_preparator:RucioPreparator": "rucio",
        "xrdcp_preparator:XrdcpPreparator": "xrdcp",
    },
    "harvesterstager": {
        "act_stager:ACTStager": "act",
        "dummy_bulk_stager:DummyBulkStager": "dummy",
        "dummy_stager:DummyStager": "dummy",
        "fts_stager:FtsStager": "fts",
        "go_bulk_stager:GlobusBulkStager": "globus",
        "go_rucio_stager:GlobusRucioStager": "globus_rucio",
        "go_stager:GlobusStager": "globus",
        "gridftp_stager:GridFtpStager": "gridftp",
        "rse_direct_stager:RseDirectStager": "rse_direct",
        "rucio_rse_direct_stager:RucioRseDirectStager": "rucio_rse_direct",
        "rucio_stager:RucioStager": "rucio",
        "rucio_stager_hpc:RucioStagerHPC": "rucio_hpc",
        "rucio_stager_hpc_minikui:RucioStagerHPC": "rucio_hpc",
        "xrdcp_stager:XrdcpStager": "xrdcp",
        "yoda_rse_direct_stager:YodaRseDirectStager": "yoda_rse_direct",
        "yoda_rucio_rse_direct_stager:YodaRucioRseDirectStager": "rucio_rse_direct",
    },
    "harvesterzipper": {
        "dummy_zipper:DummyZipper": "dummy",
        "simple_zipper:SimpleZipper": "tar",
        "ssh_zipper:SshZipper": "ssh_tar",
    },
    "harvestercredmanager": {
        "arcproxy_cred_manager:ArcproxyCredManager": "arcproxy",
        "dummy_cred_manager:DummyCredManager": "dummy",
        "grid_cred_manager:GridCredManager": "grid_proxy",
        "iam_token_cred_manager:IamTokenCredManager": "iam_token",
        "iam_token_cred_manager_globus_compute:IamTokenCredManagerRemoteGlobusCompute": "iam_token_globus_compute",
        "k8s_secret_cred_manager:K8sSecretCredManager": "kubernetes_secret",
        "no_voms_cred_manager:NoVomsCredManager": "voms_proxy",
        "proxy_cache_cred_manager:ProxyCacheCredManager": "proxy_cache",
        "superfacility_cred_manager:SuperfacilityCredManager": "superfacility",
        "token_key_cred_manager:TokenKeyCredManager": "token_key",
    },
    "harvesterextractor": {
        "analysis_extractor:AnalysisExtractor": "auxiliary",
        "aux_extractor:AuxExtractor": "auxiliary",
    },
    "harvesterthrottler": {
        "simple_throttler:SimpleThrottler": "simple",
        "tiny_throttler:TinyThrottler": "tiny",
    },
    "harvesterfilesyncer": {"git_file_syncer:GitFileSyncer": "git"},
    "harvestermiddleware": {
        "direct_ssh_herder:DirectSshHerder": "ssh",
        "rpc_herder:RpcHerder": "rpc",
    },
    "harvestermisc": {"titan_utils:TitanUtils": "titan"},
}


_SETTINGS: Final[Mapping[str, Mapping[str, JsonValue]]] = {
    "slurm_submitter_rubin:SlurmSubmitter": {"submitOptions": ["--exclusive=user"]},
}


def _read_table() -> Iterator[UpstreamPlugin]:
    for package, plugins in _UPSTREAM.items():
        for path, plugin in plugins.items():
            module, _, name = path.partition(":")
            settings = _SETTINGS.get(path, {})
            yield UpstreamPlugin(f"pandaharvester.{package}.{module}", name, _ROLES[package], plugin, settings)


UPSTREAM: Final[Mapping[tuple[str, str], UpstreamPlugin]] = {(each.module, each.name): each for each in _read_table()}
"""Every upstream plugin by module and class."""


def as_markdown() -> str:
    """The table for the documentation."""
    rows = ["| module and class of upstream | plugin here | state |", "|---|---|---|"]
    rows += [f"| `{each.module}` : `{each.name}` | {_told(each)} | {_state(each)} |" for each in UPSTREAM.values()]
    return "\n".join(rows)


def _told(plugin: UpstreamPlugin) -> str:
    settings = ", ".join(f"`{key}` {json.dumps(value)}" for key, value in plugin.settings.items())
    return f"`{plugin.plugin}`" + (f" with {settings}" if settings else "")


def _state(plugin: UpstreamPlugin) -> str:
    return "ready" if plugin.is_built else "planned"


if __name__ == "__main__":
    sys.stdout.write(as_markdown() + "\n")
