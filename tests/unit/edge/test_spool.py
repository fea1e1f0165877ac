"""The spool against a list in memory, over any order of calls, restarts and kills."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core import senml
from core.model import Channel, Reading
from edge.spool import Counts, ReceiptImpossible, Spool, SpoolBusy, SpoolUnwritable

MOST = 6
CHANNELS = st.sampled_from([Channel.LIVE, Channel.EVENT, Channel.BACKFILL])


def readings(count: int = 1, start: float = 0.0) -> list[Reading]:
    return [
        Reading(device="d1", quantity="temperature", observed_s=1.79e9 + n, value=start + n)
        for n in range(count)
    ]


class SpoolAgainstList(RuleBasedStateMachine):
    """Whatever happens, the spool holds exactly what a list with the same rules holds."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.number = 0
        self.spool = Spool.open(self.folder / "0" / "spool.db", MOST)
        self.epoch = self.spool.epoch
        self.held: list[tuple[int, Channel, int]] = []
        self.last = self.accepted = self.receipted = self.dropped = 0

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)

    @rule(channel=CHANNELS, count=st.integers(1, 4))
    def append(self, channel: Channel, count: int) -> None:
        seq = self.spool.append(channel, readings(count))
        self.last += 1
        assert seq == self.last
        self.held.append((seq, channel, count))
        self.accepted += count
        while len(self.held) > MOST:
            self.dropped += self.held.pop(0)[2]
        message = self.spool.pending(after=seq - 1)[0]
        head = senml.decode_json(message.body)[0]
        assert (head.seq, head.ep, head.lo) == (seq, self.epoch, self.held[0][0])

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        low = data.draw(st.integers(0, self.last))
        above = data.draw(st.sets(st.integers(0, self.last)) if self.last else st.just(set()))
        gone = [one for one in self.held if one[0] <= low or one[0] in above]
        assert self.spool.forget(low, above) == len(gone)
        self.held = [one for one in self.held if one not in gone]
        self.receipted += sum(count for _, _, count in gone)

    @rule(beyond=st.integers(1, 10**15))
    def impossible_receipt(self, beyond: int) -> None:
        with pytest.raises(ReceiptImpossible):
            self.spool.forget(self.last + beyond)
        with pytest.raises(ReceiptImpossible):
            self.spool.forget(0, [self.last + beyond])

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.spool = Spool.open(self.spool.path, MOST)

    @rule()
    def kill(self) -> None:
        """Go on with the files as they lie on disk at this moment, as after kill -9."""
        self.number += 1
        copy = self.folder / str(self.number)
        shutil.copytree(self.spool.path.parent, copy)
        self.spool.close()
        self.spool = Spool.open(copy / "spool.db", MOST)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def page(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(0, self.last))
        limit = data.draw(st.integers(1, MOST))
        found = [message.seq for message in self.spool.pending(after, limit)]
        assert found == [seq for seq, _, _ in self.held if seq > after][:limit]
        wanted = data.draw(st.sets(st.integers(1, self.last)))
        some = [message.seq for message in self.spool.some(wanted)]
        assert some == [seq for seq, _, _ in self.held if seq in wanted]

    @invariant()
    def same(self) -> None:
        messages = self.spool.pending(limit=2 * MOST)
        assert [(m.seq, m.channel, m.readings) for m in messages] == self.held
        events = self.spool.pending_events(limit=2 * MOST)
        assert events == [m for m in messages if m.channel is Channel.EVENT]
        pending = sum(count for _, _, count in self.held)
        assert self.spool.counts == Counts(
            accepted=self.accepted,
            receipted=self.receipted,
            dropped=self.dropped,
            pending=pending,
        )
        assert self.accepted == self.receipted + self.dropped + pending
        assert self.spool.depth == len(self.held)
        assert self.spool.epoch == self.epoch


TestSpoolAgainstList = SpoolAgainstList.TestCase
TestSpoolAgainstList.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_two_agents_cannot_hold_one_spool(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with Spool.open(path, 10), pytest.raises(SpoolBusy, match="in use"):
        Spool.open(path, 10)
    Spool.open(path, 10).close()


@pytest.mark.parametrize("where", [0, 18, 100, 4096, 5000, 9000])
def test_a_damaged_file_is_moved_aside_and_a_new_epoch_begins(
    tmp_path: Path, where: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "spool.db"
    with Spool.open(path, 100) as spool:
        old = spool.epoch
        for _ in range(40):
            spool.append(Channel.LIVE, readings(20))
    data = bytearray(path.read_bytes())
    assert len(data) > 9100
    data[where : where + 100] = b"\xa5" * 100
    path.write_bytes(data)
    with Spool.open(path, 100) as spool:
        aside = [one for one in tmp_path.iterdir() if "corrupt" in one.name]
        if aside:
            assert spool.epoch > old
            assert spool.depth == 0
            assert spool.append(Channel.LIVE, readings()) == 1
            assert "kept as" in caplog.text
        else:
            assert spool.depth == 40
    if where in {0, 4096}:
        assert aside


def test_a_file_of_something_else_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_text("no database at all, but long enough to be looked at" * 100)
    with Spool.open(path, 10) as spool:
        assert spool.append(Channel.LIVE, readings()) == 1
    assert [one for one in tmp_path.iterdir() if "corrupt" in one.name]


def test_counters_that_do_not_add_up_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with Spool.open(path, 10) as spool:
        spool.append(Channel.LIVE, readings(3))
    with sqlite3.connect(path) as conn:
        conn.execute("DELETE FROM message")
    conn.close()
    with Spool.open(path, 10) as spool:
        assert spool.counts.accepted == 0


def fill(spool: Spool) -> None:
    for _ in range(1000):
        spool.append(Channel.LIVE, readings(100))


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 10_000) as spool:
        spool.append(Channel.LIVE, readings(10))
        conn = spool._conn
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
        conn.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(SpoolUnwritable, match="full"):
            fill(spool)
        messages = spool.pending(limit=10_000)
        assert sum(message.readings for message in messages) == spool.counts.accepted
        conn.execute("PRAGMA max_page_count = 100000")
        assert spool.append(Channel.LIVE, readings()) == messages[-1].seq + 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnwritable, match="folder"):
        Spool.open(tmp_path / "file" / "deeper" / "spool.db", 10)


def test_an_empty_message_is_refused(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 10) as spool, pytest.raises(ValueError, match="one"):
        spool.append(Channel.LIVE, [])


def test_threads_share_a_spool(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 1000) as spool:
        seqs: list[int] = []

        def work() -> None:
            seqs.extend(spool.append(Channel.LIVE, readings()) for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seqs) == list(range(1, 81))
        assert spool.depth == 80


def test_the_disk_space_of_forgotten_messages_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with Spool.open(path, 1000) as spool:
        for _ in range(150):
            spool.forget(spool.append(Channel.LIVE, readings(100)))
    assert path.stat().st_size < 200_000


def test_the_body_is_senml_with_the_marks_in_the_first_record_only(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 10) as spool:
        spool.append(Channel.LIVE, readings(2))
        rows = json.loads(spool.pending()[0].body)
    assert {"seq", "ep", "lo"} <= set(rows[0])
    assert not {"seq", "ep", "lo"} & set(rows[1])
