"""What the service knows of itself: credentials of its hosts, measurements, messages."""

from dataclasses import replace
from datetime import timedelta

from store_tools import NOW, after

from harvester.core.dialogs import Dialog, DialogLevel
from harvester.store import credentials, dialogs, history, marks, measurements
from harvester.store.credentials import CredentialRecord
from harvester.store.engine import Database

PROXY = CredentialRecord("one", "/proxy", "production", after(hours=96), NOW, NOW, "")


def known(db: Database, *hosts: str) -> list[CredentialRecord]:
    with db.read() as connection:
        return credentials.of_hosts(connection, *hosts)


def test_credentials_of_a_host_are_replaced_as_a_whole(db: Database):
    with db.write() as connection:
        credentials.replace(connection, "one", [PROXY, replace(PROXY, name="/old")])
        credentials.replace(connection, "two", [replace(PROXY, host="two")])
    later = replace(PROXY, checked_at=after(hours=1), renewed_at=None, valid_until=None, problem="it is not there")
    with db.write() as connection:
        credentials.replace(connection, "one", [later])
    assert known(db, "one") == [replace(later, renewed_at=NOW)], "the last renewal is remembered"
    assert [each.host for each in known(db)] == ["one", "two"]


def test_no_credentials_are_none(db: Database):
    with db.write() as connection:
        credentials.replace(connection, "one", [PROXY])
        credentials.replace(connection, "one", [])
    assert known(db) == []


def test_of_a_long_path_the_end_is_kept_and_one_name_counts_once(db: Database):
    long = "/".join(["directory"] * 40) + "/proxy"
    with db.write() as connection:
        credentials.replace(connection, "one", [replace(PROXY, name=long), replace(PROXY, name=long)])
        credentials.replace(connection, "one", [replace(PROXY, name=long, renewed_at=None)])
    (record,) = known(db)
    assert record.name.startswith("…")
    assert record.name.endswith("directory/proxy")
    assert (len(record.name), record.renewed_at) == (190, NOW)


# ---- measurements ----------------------------------------------------------------------------------------------------


def test_measurements_wait_until_they_are_reported_and_go_after_a_week(db: Database):
    with db.write() as connection:
        measurements.add(connection, "one", {"rss_mib": 1.5}, NOW)
        measurements.add(connection, "two", {"cert_lifetime": {"/proxy": 81}}, after(minutes=1))
        measurements.add(connection, "one", {"rss_mib": 2.5}, after(minutes=2))
        waiting = measurements.unreported(connection, 2)
        measurements.mark_reported(connection, [each.number for each in waiting])
        left = measurements.unreported(connection, 10)
    assert [(each.host, each.metrics) for each in waiting] == [
        ("one", {"rss_mib": 1.5}),
        ("two", {"cert_lifetime": {"/proxy": 81}}),
    ]
    assert [each.at for each in left] == [after(minutes=2)]
    with db.read() as connection:
        assert [(each.host, each.at) for each in measurements.latest(connection)] == [
            ("two", after(minutes=1)),
            ("one", after(minutes=2)),
        ]
    with db.write() as connection:
        measurements.add(connection, "two", {}, after(days=8))
        assert [each.at for each in measurements.latest(connection)] == [after(days=8)]


# ---- messages --------------------------------------------------------------------------------------------------------


def message(text: str, minutes: int = 0) -> Dialog:
    return Dialog(after(minutes=minutes), "submitter", "queue=Q", DialogLevel.ERROR, text)


def test_messages_have_numbers_that_are_never_used_again(db: Database):
    with db.write() as connection:
        dialogs.add(connection, [message("one"), message("two")], NOW)
        first = dialogs.oldest(connection, 1)
        both = dialogs.oldest(connection, 10)
        dialogs.remove(connection, [number for number, _ in both])
        dialogs.add(connection, [message("three")], NOW)
        ((number, three),) = dialogs.oldest(connection, 10)
    assert [each for _, each in first] == [message("one")]
    assert number > max(old for old, _ in both)
    assert three == message("three")


def test_old_and_too_many_messages_are_dropped(db: Database):
    with db.write() as connection:
        dialogs.add(connection, [message("old")], NOW)
        dialogs.add(connection, [message("new", minutes=61)], after(minutes=61))
        assert [each.message for _, each in dialogs.oldest(connection, 10)] == ["new"]
        dialogs.add(connection, [message(f"{each}", minutes=61) for each in range(1500)], after(minutes=61))
        kept = dialogs.oldest(connection, 2000)
    assert (len(kept), kept[0][1].message, kept[-1][1].message) == (1000, "500", "1499")


def test_words_that_no_database_takes_do_no_harm(db: Database):
    with db.write() as connection:
        dialogs.add(connection, [message("a\x00b\ud800" + "x" * 600)], NOW)
        ((_, told),) = dialogs.oldest(connection, 10)
    assert len(told.message) == 500


# ---- how far the history was read ------------------------------------------------------------------------------------


def happened(kind: history.Kind, *subjects: int) -> list[history.Event]:
    return [history.Event(kind, subject, NOW, None, "running", "test", "monitor") for subject in subjects]


def test_changes_are_read_once_beginning_with_what_comes_next(db: Database):
    with db.write() as connection:
        history.record(connection, happened(history.Kind.WORKER, 1))
        start = marks.place(connection, "reader")
        history.record(connection, happened(history.Kind.WORKER, 3, 2, 3))
        history.record(connection, happened(history.Kind.JOB, 4))
        assert marks.place(connection, "reader") == start
        assert marks.changed_workers(connection, start, 4).is_cut
        news = marks.changed_workers(connection, start, 10)
        assert (news.became, news.is_cut) == ({2: {"running"}, 3: {"running"}}, False)
        marks.move(connection, "reader", news.last)
        assert marks.place(connection, "reader") == news.last
        assert marks.changed_workers(connection, news.last, 10).became == {}


def test_events_after_one_that_is_too_young_wait_with_it(db: Database):
    with db.write() as connection:
        start = marks.place(connection, "reader")
        history.record(connection, happened(history.Kind.WORKER, 1))
        (young,) = happened(history.Kind.WORKER, 2)
        history.record(connection, [replace(young, at=NOW + timedelta(seconds=1))])
        history.record(connection, happened(history.Kind.WORKER, 3))
        first = marks.changed_workers(connection, start, 10, NOW)
        assert (first.became.keys(), first.is_cut) == ({1}, False)
        second = marks.changed_workers(connection, first.last, 10, NOW + timedelta(seconds=1))
        assert second.became.keys() == {2, 3}


def test_what_is_passed_over_is_not_read_later(db: Database):
    with db.write() as connection:
        start = marks.place(connection, "reader")
        history.record(connection, happened(history.Kind.WORKER, 1, 2))
        marks.skip(connection, "reader")
        assert marks.place(connection, "reader") > start
        assert marks.changed_workers(connection, marks.place(connection, "reader"), 10).became == {}


def test_who_has_read_events_that_were_forgotten_goes_on_with_what_comes_next(db: Database):
    with db.write() as connection:
        history.record(connection, happened(history.Kind.WORKER, 1, 2, 3))
        marks.place(connection, "reader")
        history.forget(connection, history.Kind.WORKER, [1, 2, 3])
        assert marks.place(connection, "reader") == 0
        history.record(connection, happened(history.Kind.WORKER, 4))
        assert marks.changed_workers(connection, marks.place(connection, "reader"), 10).became == {4: {"running"}}
