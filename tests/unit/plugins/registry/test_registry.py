"""From blocks of the queue configuration to plugins."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.config.plugin_blocks import PluginBlock
from harvester.plugins import registry
from harvester.plugins.api import Plugin, Resource
from harvester.plugins.local import LocalResource
from harvester.plugins.names import OURS, UPSTREAM, Role, UpstreamPlugin
from harvester.plugins.registry import (
    NotBuiltYetError,
    PluginError,
    PluginSettingsError,
    UnknownPluginError,
    UnusablePluginError,
    build,
    known_settings,
    problems,
    resolve,
)
from harvester.plugins.testing import context_in

HERE = "harvester_test_plugins"
SUBMITTERS = "pandaharvester.harvestersubmitter"


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a module importable, and its entry points known."""

    def install(text: str, entries: Sequence[str] = ()) -> None:
        (tmp_path / f"{HERE}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, HERE, raising=False)
        points = {name: EntryPoint(name, f"{HERE}:Mine", registry.ENTRY_POINT_GROUP) for name in entries}
        monkeypatch.setattr(registry, "_installed", lambda: points)

    return install


MINE = """
from harvester.plugins.local import LocalResource

class Mine(LocalResource):
    pass
"""

ANY_KEY = """
from harvester.plugins.api import PluginSettings
from harvester.plugins.local import LocalResource

class Anything(PluginSettings, extra="allow"):
    pass

class Mine(LocalResource):
    Settings = Anything
"""
BREAKING = """
from pydantic import model_validator
from harvester.plugins.api import PluginSettings
from harvester.plugins.local import LocalResource

class Breaking(PluginSettings, extra="allow"):
    @model_validator(mode="before")
    @classmethod
    def check(cls, block):
        return {} if "validator" not in block else block["token=HUSH"]

    def mistakes(self, role):
        raise KeyError("token=HUSH")

class Mine(LocalResource):
    Settings = Breaking
"""


class TestShortNames:
    def test_one_resource_serves_three_roles(self):
        roles = (Role.SUBMITTER, Role.MONITOR, Role.SWEEPER)
        assert {resolve(role, PluginBlock(plugin="local")) for role in roles} == {LocalResource}

    @pytest.mark.parametrize(("role", "short"), [(role, short) for role, names in OURS.items() for short in names])
    def test_ours_keep_the_contract_of_their_role(self, role: Role, short: str):
        assert issubclass(resolve(role, PluginBlock(plugin=short)), Plugin)

    def test_misspelt_name_is_answered_by_the_nearest(self):
        with pytest.raises(UnknownPluginError, match="'lokal' is not known for submitter; did you mean local"):
            resolve(Role.SUBMITTER, PluginBlock(plugin="lokal"))

    def test_name_of_another_role_is_answered_by_those_of_this(self):
        with pytest.raises(UnknownPluginError, match="not known for messenger; there is http, shared_file"):
            resolve(Role.MESSENGER, PluginBlock(plugin="slurm"))

    def test_planned_plugin_says_so(self):
        with pytest.raises(NotBuiltYetError, match="'htcondor' is not built yet for monitor; there is dummy, local"):
            resolve(Role.MONITOR, PluginBlock(plugin="htcondor"))

    def test_empty_block_is_told_what_to_add(self):
        with pytest.raises(UnknownPluginError, match='add "plugin" with one of'):
            resolve(Role.SUBMITTER, PluginBlock(module=SUBMITTERS))


class TestUpstreamNames:
    @pytest.mark.parametrize("known", UPSTREAM.values(), ids=lambda known: f"{known.module}:{known.name}")
    def test_every_name_resolves_or_is_planned(self, known: UpstreamPlugin):
        for role in known.roles:
            block = PluginBlock(module=known.module, name=known.name)
            plugin = known.plugin_for(role)
            if plugin in OURS.get(role, {}):
                assert resolve(role, block) is resolve(role, PluginBlock(plugin=plugin))
            else:
                with pytest.raises(NotBuiltYetError, match=known.name):
                    resolve(role, block)

    def test_upstreams_stagers_pack_as_its_zipper_does(self):
        stager = UPSTREAM["pandaharvester.harvesterstager.rucio_stager", "RucioStager"]
        assert (stager.plugin_for(Role.STAGER), stager.plugin_for(Role.ZIPPER)) == ("rucio", "tar")

    def test_slurm_has_one_resource_for_all_its_names(self):
        names = [
            (Role.SUBMITTER, f"{SUBMITTERS}.slurm_submitter", "SlurmSubmitter"),
            (Role.MONITOR, "pandaharvester.harvestermonitor.slurm_bulk_monitor", "SlurmBulkMonitor"),
            (Role.MONITOR, "pandaharvester.harvestermonitor.slurm_squeue_monitor", "SlurmSqueueMonitor"),
            (Role.SWEEPER, "pandaharvester.harvestersweeper.slurm_sweeper", "SlurmSweeper"),
        ]
        classes = {resolve(role, PluginBlock(module=module, name=name)) for role, module, name in names}
        assert len(classes) == 1
        assert issubclass(classes.pop(), Resource)

    def test_submitter_is_no_messenger(self):
        block = PluginBlock(module=f"{SUBMITTERS}.slurm_submitter", name="SlurmSubmitter")
        with pytest.raises(UnknownPluginError, match="made for submitter, not for messenger"):
            resolve(Role.MESSENGER, block)

    def test_misspelt_class_is_answered_by_the_nearest(self):
        block = PluginBlock(module=f"{SUBMITTERS}.slurm_submitter", name="SlurmSubmiter")
        with pytest.raises(UnknownPluginError, match=r"did you mean .*slurm_submitter : SlurmSubmitter\?"):
            resolve(Role.SUBMITTER, block)


class TestForeignPlugins:
    def test_any_importable_class_of_the_right_kind(self, install: Install):
        install(MINE)
        assert resolve(Role.SUBMITTER, PluginBlock(module=HERE, name="Mine")).__name__ == "Mine"

    @pytest.mark.parametrize("entry", ["mine", "submitter.mine"])
    def test_entry_points(self, install: Install, entry: str):
        install(MINE, [entry])
        assert resolve(Role.SUBMITTER, PluginBlock(plugin="mine")).__name__ == "Mine"

    def test_entry_point_of_another_role_is_not_taken(self, install: Install):
        install(MINE, ["monitor.mine"])
        with pytest.raises(UnknownPluginError):
            resolve(Role.SUBMITTER, PluginBlock(plugin="mine"))

    def test_entry_point_cannot_shadow_ours(self, install: Install):
        install(MINE, ["local"])
        assert resolve(Role.SUBMITTER, PluginBlock(plugin="local")) is LocalResource

    def test_class_that_breaks_the_contract_is_named_with_it(self, install: Install):
        install(MINE)
        with pytest.raises(UnusablePluginError, match=r"has to derive from harvester\.plugins\.api\.Messenger"):
            resolve(Role.MESSENGER, PluginBlock(module=HERE, name="Mine"))

    @pytest.mark.parametrize(
        "text", ["import no_such_library", "raise RuntimeError('broken')", "def", "import sys; sys.exit(3)"]
    )
    def test_module_that_cannot_be_imported_is_blamed(self, install: Install, text: str):
        install(text)
        with pytest.raises(UnusablePluginError, match=f"{HERE} cannot be imported"):
            resolve(Role.SUBMITTER, PluginBlock(module=HERE, name="Mine"))

    def test_missing_module_and_missing_class_are_told_apart(self, install: Install):
        install(MINE)
        with pytest.raises(UnknownPluginError, match=f"{HERE} has no Yours"):
            resolve(Role.SUBMITTER, PluginBlock(module=HERE, name="Yours"))
        with pytest.raises(UnknownPluginError, match="there is no module nowhere_to_be_found"):
            resolve(Role.SUBMITTER, PluginBlock(module="nowhere_to_be_found.at_all", name="Mine"))

    @given(role=st.sampled_from(Role), short=st.text(), module=st.none() | st.text(max_size=8), name=st.text())
    def test_nonsense_is_an_error_of_ours(self, role: Role, short: str, module: str | None, name: str):
        block = PluginBlock(plugin=short) if module is None else PluginBlock(module=module, name=name)
        try:
            resolve(role, block)
        except PluginError as error:
            assert str(error)  # noqa: PT017 - a short name may also hit


class TestBuilding:
    def test_plugin_gets_its_settings_and_context(self, tmp_path: Path):
        block = PluginBlock(plugin="local", settings={"command": ["true"], "killGrace": 3, "siteName": "SITE"})
        context = context_in(tmp_path)
        resource = build(Role.SUBMITTER, block, context)
        assert isinstance(resource, LocalResource)
        assert (resource.settings.kill_grace, resource.context) == (3, context)

    @pytest.mark.parametrize(
        ("settings", "options"), [({}, ("--exclusive=user",)), ({"submitOptions": ["--hold"]}, ("--hold",))]
    )
    def test_what_an_upstream_plugin_always_did_is_done_unless_told_otherwise(
        self, tmp_path: Path, settings: Mapping[str, JsonValue], options: tuple[str, ...]
    ):
        block = PluginBlock(module=f"{SUBMITTERS}.slurm_submitter_rubin", name="SlurmSubmitter", settings=settings)
        assert build(Role.SUBMITTER, block, context_in(tmp_path)).settings.submit_options == options

    def test_wrong_settings_are_named_and_not_shown(self, tmp_path: Path):
        secrets = {"API_TOKEN": 4711}
        block = PluginBlock(plugin="local", settings={"command": ["true"], "environment": secrets, "cores": 0})
        with pytest.raises(PluginSettingsError) as caught:
            build(Role.SUBMITTER, block, context_in(tmp_path, queue="HERE"))
        message = str(caught.value)
        assert message.startswith("queue HERE, block submitter: ")
        assert "environment: API_TOKEN must be text" in message
        assert "cores: " in message
        assert "4711" not in message

    def test_unknown_plugin_is_named_with_its_queue(self, tmp_path: Path):
        with pytest.raises(UnknownPluginError, match="queue HERE, block submitter: plugin 'x'"):
            build(Role.SUBMITTER, PluginBlock(plugin="x"), context_in(tmp_path, queue="HERE"))


class TestProblems:
    def test_good_block_has_none(self):
        assert not problems("submitter", PluginBlock(plugin="local", settings={"command": ["true"]}))
        assert not problems("monitor", PluginBlock(plugin="local"))

    def test_every_wrong_key_is_told_by_its_name(self):
        found = problems("submitter", PluginBlock(plugin="local", settings={"command": ["true"], "cores": "many"}))
        assert [(each.key, each.advice) for each in found] == [("cores", "write a whole number")]
        assert not found[0].problem.startswith("cores")

    def test_what_is_wrong_inside_of_a_key_is_told_with_its_path(self):
        block = PluginBlock(plugin="local", settings={"command": ["true", 1], "environment": {"A.B": []}})
        found = problems("submitter", block)
        assert [(each.key, each.problem) for each in found] == [
            ("command", "item 2 must be text, not 1"),
            ("environment", "A.B must be text, not a list"),
        ]

    def test_no_secret_is_shown(self):
        settings: dict[str, JsonValue] = {"command": ["true"], "environment": {"API_TOKEN": 4711}}
        (found,) = problems("submitter", PluginBlock(plugin="local", settings=settings))
        assert "4711" not in f"{found.problem} {found.advice}"

    def test_submitter_without_payload_is_told_of_the_whole_block(self):
        (found,) = problems("submitter", PluginBlock(plugin="local"))
        assert found.key is None
        assert "add 'command'" in found.advice

    def test_key_that_is_missing_is_named(self):
        (found,) = problems("messenger", PluginBlock(plugin="shared_file"))
        assert (found.key, found.problem) == ("accessPoint", "is not set")

    def test_plugin_that_is_not_there_is_told(self):
        block = PluginBlock(module=f"{SUBMITTERS}.pbs_submitter", name="PBSSubmitter")
        (found,) = problems("submitter", block)
        assert found.key is None
        assert "'pbs' is not built yet" in found.problem

    @pytest.mark.parametrize("breaks", ["validator", "mistakes"])
    def test_plugin_that_breaks_when_it_looks_at_its_settings_is_told(self, install: Install, breaks: str):
        install(BREAKING)
        (found,) = problems("submitter", PluginBlock(module=HERE, name="Mine", settings={breaks: True}))
        assert found.problem.startswith(f"{HERE}.Mine fails when it looks at its settings: KeyError: ")
        assert "HUSH" not in found.problem

    def test_block_of_middleware_is_known(self):
        block = PluginBlock(module="pandaharvester.harvestermiddleware.rpc_herder", name="RpcHerder")
        assert "'rpc' is not built yet" in problems("rpc", block)[0].problem


class TestKnownSettings:
    def test_names_and_all_their_aliases(self):
        known = known_settings("stager", PluginBlock(plugin="copy"))
        assert {"destination", "dstBasePath", "basePath", "maxAttempts"} <= known
        assert "leftOverPatterns" not in known

    def test_keys_of_upstream_that_are_not_needed_here(self):
        known = known_settings("messenger", PluginBlock(plugin="shared_file"))
        assert {"accessPoint", "maxWorkersForZip", "siteName"} <= known

    def test_a_plugin_may_read_any_key(self, install: Install):
        install(ANY_KEY)
        block = PluginBlock(module=HERE, name="Mine", settings={"whatever": 1})
        assert known_settings("submitter", block) == {"whatever"}

    def test_unknown_plugin_has_none(self):
        with pytest.raises(UnknownPluginError):
            known_settings("submitter", PluginBlock(plugin="nonsense"))
