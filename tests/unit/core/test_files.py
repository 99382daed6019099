from harvester.core.files import EVENT_KINDS, INBOUND, INPUT_KINDS, OUTBOUND, STAGED_KINDS, FileKind, FileStatus


def test_every_kind_of_file_has_one_way_to_go():
    assert {*INPUT_KINDS, *STAGED_KINDS, FileKind.CHECKPOINT} == set(FileKind)
    assert not INPUT_KINDS & STAGED_KINDS
    assert EVENT_KINDS <= STAGED_KINDS


def test_a_failed_file_is_done_either_way():
    assert {FileStatus.READY, FileStatus.FAILED} == INBOUND.done
    assert {FileStatus.FINISHED, FileStatus.FAILED, FileStatus.ZIPPED} == OUTBOUND.done
