from harvester.core.files import INPUT_DONE, OUTPUT_DONE, FileKind, FileStatus


def test_file_kinds_are_the_words_of_the_shared_file_protocol():
    assert {kind.value for kind in FileKind} == {"input", "output", "log", "checkpoint", "es_output", "zip_output"}


def test_a_failed_file_is_done_either_way():
    assert {FileStatus.READY, FileStatus.FAILED} == INPUT_DONE
    assert {FileStatus.FINISHED, FileStatus.FAILED} == OUTPUT_DONE
