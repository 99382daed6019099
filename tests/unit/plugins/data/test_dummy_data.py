from collections.abc import Callable

from harvester.core.files import File
from harvester.plugins.api import Done, Moved, PluginContext, PluginSettings
from harvester.plugins.data.dummy import DummyPreparator, DummyStager

MakeFile = Callable[..., File]


def test_inputs_are_ready_at_once(context: PluginContext, make_file: MakeFile):
    preparator = DummyPreparator(PluginSettings(), context)
    files = [make_file("a", path=None), make_file("b", path="/here/b")]
    assert preparator.trigger(files) == [Done(), Done()]
    assert preparator.check(files) == [Moved("dummypath/a"), Moved("/here/b")]


def test_outputs_are_stored_where_they_are(context: PluginContext, make_file: MakeFile):
    stager = DummyStager(PluginSettings(), context)
    file = make_file("a", path="/there/a")
    assert stager.trigger([file]) == [Done()]
    assert stager.check([file]) == [Moved("/there/a", file.size, file.checksum)]
